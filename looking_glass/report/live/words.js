/** Where words begin and end in a text of tokens: as looking_glass/text/words.py has it. */

const encoder = new TextEncoder();

/** Offsets in characters just after each word of a text but the last. @returns {number[]} */
function endsOf(text, kind, language) {
  if (kind === "segments") {
    const found = [...new Intl.Segmenter(language, { granularity: "word" }).segment(text)];
    return found.filter((one) => one.isWordLike).map((one) => one.index).slice(1);
  }
  if (kind === "tokens") return Array.from(text, (_, i) => i + 1);
  return [...text.matchAll(/\P{White_Space}+/gu)].map((one) => one.index + one[0].length).slice(0, -1);
}

/**
 * The words of a text, together covering every token once. White space goes with the word after.
 * @param {import("./tokenizer.js").Tokenizer} tokenizer
 * @param {number[]} tokens
 * @param {"spaces"|"segments"|"tokens"} kind
 * @returns {{text: string, start: number, stop: number}[]}
 */
export function wordsOf(tokenizer, tokens, kind = "spaces", language = "en") {
  const text = tokenizer.decode(tokens);
  const ends = new Set(endsOf(text, kind, language).map((end) =>
    encoder.encode(text.slice(0, end)).length));
  const words = [];
  let [start, at] = [0, 0];
  tokens.forEach((token, index) => {
    const from = at;
    at += tokenizer.pieces[token].length;
    let over = index === tokens.length - 1;
    for (let byte = from + 1; byte <= at; byte++) over ||= ends.has(byte);
    if (over) {
      const own = tokenizer.decode(tokens.slice(start, index + 1));
      words.push({ text: own.trim() || shown(own), start, stop: index + 1 });
      start = index + 1;
    }
  });
  return words;
}

/** White space made visible, and control signs: for a token that stands alone. */
export function shown(text) {
  return text.replaceAll(" ", "␣").replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll("\r", "␍");
}

/**
 * A token's text, with its white space in sight, and as a sentence would quote it.
 * @param {string[]} texts of all tokens @param {number} token
 */
export function named(texts, token) {
  const text = texts[token];
  return { token, text, shown: shown(text), said: text.trim() || shown(text) };
}
