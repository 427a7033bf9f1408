"use strict";
// What a reader can try on the page. All data is in the page; text is only ever set as text.
(function () {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  document.documentElement.classList.remove("no-script");

  const element = (name, text, className) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    if (className) made.className = className;
    return made;
  };
  const visible = (text) => text.replace(/\r?\n/g, "↵").replace(/^ +/, (s) => "␣".repeat(s.length));
  // What runs from right to left is set apart from the signs and numbers around it.
  const apart = (text) => (/[\u0590-\u08ff\ufb1d-\ufefc]/.test(text) ? "\u2068" + text + "\u2069" : text);
  const percent = (share) => (100 * share).toFixed(1) + "%";
  const signed = (value) => (value < 0 ? "−" : "+") + Math.abs(value).toFixed(3);

  // Attention: a word is chosen, and each panel shows what one block attended to for it.
  document.querySelectorAll(".explorer").forEach((root) => {
    const sentence = data.sentences[Number(root.dataset.sentence)];
    const buttons = [...root.querySelectorAll(".words button")];
    const mode = root.querySelector(".mode");
    let chosen = Number(root.dataset.word);

    const fill = (panel) => {
      const block = Number(panel.querySelector(".block").value);
      const head = panel.querySelector(".head").value;
      const predicting = mode.value === "predicting";
      const maps = sentence[mode.value][block];
      const row = head === "mean"
        ? maps[0].map((_, i) => maps.reduce((sum, map) => sum + map[chosen][i], 0) / maps.length, 0)
        : maps[Number(head)][chosen];
      const effects = sentence.effect[block][chosen];
      const body = panel.querySelector("tbody");
      body.replaceChildren();
      const n = predicting ? chosen : chosen + 1;
      for (let i = 0; i < n; i++) {
        const line = element("tr");
        const word = element("th", sentence.words[i], "text");
        word.dir = "auto";
        line.append(word);
        const share = element("td", undefined, "share");
        const bar = element("span", undefined, "bar");
        bar.style.width = Math.round(60 * row[i]) + "%";
        share.append(bar, percent(row[i]));
        line.append(share, element("td", predicting && effects[i] !== null ? signed(effects[i]) : "–"));
        body.append(line);
      }
    };
    const show = (word) => {
      chosen = word;
      buttons.forEach((b) => b.setAttribute("aria-pressed", String(Number(b.dataset.word) === word)));
      root.querySelectorAll(".panel").forEach(fill);
      root.querySelector(".note").textContent = mode.value === "predicting"
        ? "What the token before “" + apart(sentence.words[word]) + "” attended to when the model said it, "
          + "and how much less probable the word would be without that attention, in nats."
        : "What “" + apart(sentence.words[word]) + "” itself attended to. Its effect was not measured.";
    };
    buttons.forEach((button) => {
      const word = Number(button.dataset.word);
      ["mouseenter", "focus", "click"].forEach((event) =>
        button.addEventListener(event, () => show(word)));
    });
    root.querySelectorAll("select").forEach((s) => s.addEventListener("change", () => show(chosen)));
    show(chosen);
  });

  // Inversion: the sentence as it appears, step by step.
  document.querySelectorAll(".stepper").forEach((root) => {
    const reading = root.querySelector("select");
    const slider = root.querySelector("input");
    const play = root.querySelector("button");
    let timer = null;

    const show = () => {
      const found = data.inversion[Number(reading.value)];
      slider.max = String(found.steps.length - 1);
      const at = Math.min(Number(slider.value), found.steps.length - 1);
      const line = root.querySelector(".line");
      line.replaceChildren(...found.said[at].map((text, i) => {
        const right = found.right[at][i] === 1;
        const word = element("span", visible(text), right ? "right" : "wrong");
        word.title = right ? "right" : "not yet";
        return word;
      }));
      const n = found.right[at].reduce((a, b) => a + b, 0);
      root.querySelector("output").textContent = "step " + found.steps[at] + ": " + n + " of "
        + found.right[at].length + " tokens right, loss " + found.loss[at].toFixed(3);
    };
    const stop = () => {
      clearInterval(timer);
      timer = null;
      play.textContent = "Play";
    };
    play.addEventListener("click", () => {
      if (timer) return stop();
      if (slider.value === slider.max) slider.value = "0";
      play.textContent = "Stop";
      timer = setInterval(() => {
        slider.value = String(Number(slider.value) + 1);
        show();
        if (slider.value === slider.max) stop();
      }, 400);
      show();
    });
    slider.addEventListener("input", () => { stop(); show(); });
    reading.addEventListener("change", () => { stop(); slider.value = "0"; show(); });
    slider.value = "0";
    show();
  });

  // Surprisal: what a word costs is told when it is pointed at.
  document.querySelectorAll(".surprisals").forEach((root) => {
    const note = root.querySelector(".note");
    root.querySelectorAll(".heat").forEach((word) =>
      ["mouseenter", "focus", "click"].forEach((event) =>
        word.addEventListener(event, () => { note.textContent = word.title; })));
  });

  // Samples: which parts stand in the book, from a length that the reader chooses.
  document.querySelectorAll(".copies").forEach((root) => {
    const slider = root.querySelector("input");
    const show = () => {
      const least = Number(slider.value);
      let copied = 0;
      const tokens = [...root.querySelectorAll("[data-run]")];
      tokens.forEach((token) => {
        const is = Number(token.dataset.run) >= least;
        token.classList.toggle("copied", is);
        copied += is ? 1 : 0;
      });
      root.querySelector("output").textContent = "runs of " + least + " tokens or more: "
        + percent(copied / tokens.length) + " of what was sampled";
    };
    slider.addEventListener("input", show);
    show();
  });
})();
