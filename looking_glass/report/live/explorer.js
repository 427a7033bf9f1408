/** Attention: a word is chosen, and each panel shows what one block attended to for it. */
import { bar, fill, make, percent, signed } from "./dom.js";
import { apart } from "./passages.js";

/** The mean of some heads' rows, or the row of one. @returns {number[]} */
export function rowOf(maps, word, head) {
  if (head !== null) return maps[head][word];
  return maps[0][word].map((_, key) => maps.reduce((sum, map) => sum + map[word][key], 0) / maps.length);
}

/**
 * @param {any} root the element
 * @param {{words: string[], predicting: number[][][][], own: number[][][][], effect: (number|null)[][][]}} sentence
 *   patterns (L, nh, W, W), effects (L, W, W)
 */
export function explore(root, sentence) {
  const buttons = [...root.querySelectorAll(".words button")];
  const mode = root.querySelector(".mode");
  const note = root.querySelector(".note");
  let chosen = Number(root.dataset.word);

  function show(panel) {
    const block = Number(panel.querySelector(".block").value);
    const head = panel.querySelector(".head").value;
    const predicting = mode.value === "predicting";
    const row = rowOf(sentence[mode.value][block], chosen, head === "mean" ? null : Number(head));
    const effects = sentence.effect[block][chosen];
    const keys = sentence.words.slice(0, predicting ? chosen : chosen + 1);
    fill(panel.querySelector("table"), panel.dataset.caption, ["attended to", "attention", "effect of removing it"],
      keys.map((word, key) => [
        make("bdi", {}, word),
        [bar(row[key]), percent(row[key])],
        predicting && effects[key] !== null ? signed(effects[key], 3) : "–",
      ]));
  }

  function choose(word) {
    chosen = word;
    buttons.forEach((button, index) => button.setAttribute("aria-pressed", String(index === word)));
    root.querySelectorAll(".panel").forEach(show);
    const name = apart(sentence.words[word]);
    note.textContent = mode.value === "predicting"
      ? `What the token before “${name}” attended to when the model said it, and how much less probable the word `
        + "would be without that attention, in nats."
      : `What “${name}” itself attended to. Its effect was not measured.`;
  }

  buttons.forEach((button, word) => ["mouseenter", "focus", "click"].forEach((event) =>
    button.addEventListener(event, () => choose(word))));
  root.querySelectorAll("select").forEach((one) => one.addEventListener("change", () => choose(chosen)));
  choose(chosen);
}
