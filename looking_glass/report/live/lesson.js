/** A lesson: five questions, each answered first by the reader, then by the model in the page. */
import { at, make, percent, signed } from "./dom.js";
import { wordPattern } from "./attention.js";

const largest = (values) => values.indexOf(Math.max(...values));
const quoted = (text) => `“${text}”`;

/** What the questions are about: the sentence, its words, and what the model makes of them. */
async function facts(client, settings, shape, name) {
  const text = settings.prompt;
  const seen = await client.ask("look", { text });
  const last = seen.words.length - 1;
  const row = (block, head = null) => wordPattern(seen.patterns, seen.words, seen.T, block, head)[last];
  const rows = Array.from({ length: shape.L }, (_, block) => row(block));
  return { text, words: seen.words.map((word) => word.text), rows, choice: name(seen.choice).said };
}

function questions(client, about) {
  const { words, rows, choice } = about;
  const deepest = rows.at(-1);
  const sink = rows.reduce((sum, row) => sum + row[0], 0) / rows.length;
  const causes = () => client.ask("causes", { text: about.text });
  const bands = ["under 10%", "10 to 30%", "30 to 60%", "over 60%"];
  const band = [0.1, 0.3, 0.6].filter((bound) => sink >= bound).length;
  return [
    {
      title: "Attention",
      ask: "Which word does the last block look at most when it chooses what comes next?",
      options: words,
      answer() {
        const best = largest(deepest);
        return [best, `${quoted(words[best])}, with ${percent(deepest[best])} of the attention, on average `
          + "over the heads. Look at single heads above: they differ."];
      },
    },
    {
      title: "The sink",
      ask: `How much of the last word's attention goes to the first, ${quoted(words[0])}, on average over all blocks?`,
      options: bands,
      async answer() {
        const lost = (await causes())[0];
        const even = percent(1 / words.length);
        return [band, `${percent(sink)}; an even share would be ${even}. Taken away, the choice ${quoted(choice)} `
          + `${lost < 0 ? "gains" : "loses"} ${Math.abs(lost).toFixed(2)} nats. Heads that find nothing to look `
          + "at often rest on the first position, whatever stands there: such a place is called a sink."];
      },
    },
    {
      title: "Causes",
      ask: `Which word, taken away, costs the choice ${quoted(choice)} most?`,
      options: words,
      async answer() {
        const lost = await causes();
        const best = largest(lost);
        const looked = largest(deepest);
        const same = best === looked ? "It is also the word that the last block looked at most."
          : `The last block looked most at ${quoted(words[looked])}, which costs ${signed(lost[looked])}: `
            + "where a model looks is not why it chooses.";
        return [best, `${quoted(words[best])}: without it the choice loses ${signed(lost[best])} nats. ${same}`];
      },
    },
    {
      title: "Surprisal",
      ask: "Which word of the sentence did the model expect least?",
      options: words,
      async answer() {
        const found = await client.ask("surprisal", { text: about.text });
        const values = found.map((word) => word.nats);
        const best = largest(values);
        return [best, `${quoted(words[best])}, with ${values[best].toFixed(2)} nats: a probability of `
          + `${percent(Math.exp(-values[best]))}. The mean word has `
          + `${(values.reduce((a, b) => a + b, 0) / values.length).toFixed(2)}.`];
      },
    },
  ];
}

function card({ title, ask, options, answer }, number) {
  const name = `question-${number}`;
  const reveal = make("button", { type: "button", disabled: true }, "Reveal");
  const told = make("p", { class: "answer", role: "status" });
  const choices = options.map((option, index) => make("label", {},
    make("input", { type: "radio", name, value: String(index), change: () => { reveal.disabled = false; } }),
    make("bdi", {}, option)));
  const set = make("fieldset", {}, make("legend", {}, ask), make("div", { class: "options" }, ...choices));
  reveal.addEventListener("click", async () => {
    reveal.disabled = true;
    const [right, text] = await answer();
    const mine = Number(set.querySelector("input:checked").value);
    choices[right].classList.add("true");
    told.replaceChildren(make("strong", {}, mine === right ? "Yes. " : "No. "), text);
    reveal.disabled = false;
  });
  return make("li", { class: "card" }, make("h3", {}, title), set, reveal, told);
}

/** The last question: write what makes the model say a word; then let the page search for it. */
function inversionCard(client, settings, name) {
  const target = make("input", { type: "text", id: "wanted", value: settings.wanted, size: "12" });
  const words = make("input", { type: "text", id: "mine", size: "30" });
  const told = make("p", { class: "answer", role: "status" });
  const progress = make("progress", { max: "1", value: "0", hidden: true, "aria-label": "Search, how far" });
  const mine = make("button", { type: "button" }, "Try mine");
  const search = make("button", { type: "button", disabled: true }, "Reveal: let the page search");
  const wanted = async () => {
    const tokens = await client.ask("encode", { text: ` ${target.value.trim()}` });
    return name(tokens[0]);
  };
  mine.addEventListener("click", async () => {
    if (!words.value.trim() || !target.value.trim()) return;
    const { token, said } = await wanted();
    const { p, top } = await client.ask("chance", { text: words.value, target: token });
    told.textContent = `After your words ${quoted(said)} has a probability of ${percent(p)}; the first choice is ${quoted(name(top).said)}.`;
    search.disabled = false;
  });
  search.addEventListener("click", async () => {
    search.disabled = true;
    progress.hidden = false;
    const { token, said } = await wanted();
    const about = { start: settings.start, target: token, candidates: settings.candidates, passes: 2 };
    const found = await client.ask("search", about, ({ done, all, so_far: best }) => {
      progress.value = done / all;
      told.textContent = `${done} of ${all} tries; the best so far: ${quoted(best.text)}, ${percent(best.p)}`;
    });
    progress.hidden = true;
    told.textContent = `After ${quoted(found.text)} the model says ${quoted(said)} with a probability of `
      + `${percent(found.p)}: the best of ${found.tries} tries, exchanging a word at a time. Vectors that no `
      + "word stands for go further: see the report.";
    search.disabled = false;
  });
  return make("li", { class: "card" }, make("h3", {}, "Inversion"),
    make("p", {}, "Which few words make the model say a word of your choice? Write yours first."),
    make("div", { class: "controls" },
      make("label", {}, "It should say ", target), make("label", {}, "My words ", words), mine, search, progress), told);
}

/** Put the five questions onto the page. */
export async function showLesson(client, settings, shape, name) {
  const about = await facts(client, settings, shape, name);
  at("lesson").replaceChildren(...questions(client, about).map(card), inversionCard(client, settings, name));
}
