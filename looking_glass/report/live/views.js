/** What stands below the words: what mattered, block by block, and surprise. */
import { at, bar, fill, make, percent, signed } from "./dom.js";

/**
 * Show by word what it was attended to, what the choice loses without it, and what it is worth.
 * @param {{text: string}[]} words @param {number[]} attention (W) @param {?number[]} lost
 * @param {?number[]} worth
 */
export function showMattered(words, attention, lost, worth) {
  const scale = (values) => Math.max(1e-9, ...(values ?? []).map(Math.abs));
  const [most, worst, best] = [scale(attention), scale(lost), scale(worth)];
  const cell = (values, index, all, told) =>
    (values ? [bar(values[index] / all), make("span", { class: "number" }, told(values[index]))] : "–");
  fill(at("mattered"), "By word: attention, loss without it, exact worth",
    ["Word", "Attended to", "Choice loses without it, nats", "Exact worth, nats"],
    words.map((word, i) => [
      make("bdi", {}, word.text),
      cell(attention, i, most, percent),
      cell(lost, i, worst, (x) => signed(x)),
      cell(worth, i, best, (x) => signed(x)),
    ]));
}

/** Show what each block would say. @param {{top: {token: number, p: number}[], choice: number}[]} rows */
export function showLens(rows, choice, name) {
  fill(at("lens"), "What each block would say",
    ["After", "First", "Second", "Third", `${choice} has`],
    rows.map((row, block) => [
      block ? `block ${block}` : "the embedding",
      ...row.top.map((one) => [make("bdi", {}, name(one.token).shown), ` ${percent(one.p)}`]),
      [bar(row.choice), make("span", { class: "number" }, percent(row.choice))],
    ]));
}

/** Show a text coloured by surprise. @param {{text: string, nats: number, tokens: number}[]} words */
export function showHeat(words, spaced) {
  const most = Math.max(8, ...words.map((word) => word.nats));
  const total = words.reduce((sum, word) => sum + word.nats, 0);
  at("heat").replaceChildren(...words.flatMap((word) => {
    const mark = make("span", {
      class: "word", tabindex: "0", role: "note", title: `${word.nats.toFixed(2)} nats`,
      "aria-label": `${word.text}: ${word.nats.toFixed(2)} nats`,
    }, make("bdi", {}, word.text), make("small", { "aria-hidden": "true" }, word.nats.toFixed(1)));
    mark.style.setProperty("--heat", String(word.nats / most));
    return spaced ? [mark, " "] : [mark];
  }));
  at("heat-told").textContent = words.length
    ? `${words.length} words, ${total.toFixed(1)} nats in all, ${(total / words.length).toFixed(2)} a word, after a paragraph break.`
    : "";
}
