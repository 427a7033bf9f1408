/** Where words begin and end in a text of tokens: as looking_glass/text/words.py has it. */

const SIZES = [[0xf0, 4], [0xe0, 3], [0xc0, 2]]; // bytes of a character, by the least that it begins with
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
// What makes a segment a word: a letter, a mark on one, a number, or a symbol such as an emoji.
const CONTENT = /[\p{L}\p{M}\p{N}\p{So}]/u;
// Scripts without spaces fall into characters, marks staying with their letter, as in Unicode's
// default rules: the browser's segmenter knows dictionaries, Python's does not.
const UNSPACED = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/u;
const TURN = /\s+(?=[\p{Ps}\p{Pi}¿¡]|$)/u; // from here on marks belong to the word after
const OPENING = /[\p{Ps}\p{Pi}¿¡]+$/u;

/**
 * A text of bytes, and how many bytes come before each of its offsets. A byte that is part of no
 * character stands as U+FFFD.
 * @param {Uint8Array} bytes
 * @returns {{text: string, before: number[]}}
 */
function readable(bytes) {
  let text = "";
  const before = [];
  for (let at = 0; at < bytes.length;) {
    let size = SIZES.find(([least]) => bytes[at] >= least)?.[1] ?? 1;
    let sign = "\ufffd";
    try {
      sign = strict.decode(bytes.subarray(at, at + size));
    } catch { // no character begins here
      size = 1;
    }
    for (let i = 0; i < sign.length; i++) before.push(at);
    text += sign;
    at += size;
  }
  return { text, before };
}

/** Offsets just after each word of a text but the last. @returns {number[]} */
function endsOf(text, kind, language) {
  if (kind === "segments") return segmentEnds(text, language);
  const parts = kind === "tokens" ? /[^]/gu : /\P{White_Space}+/gu;
  return [...text.matchAll(parts)].map((one) => one.index + one[0].length).slice(0, -1);
}

/** Between two words, marks belong to the one before, as far as white space that a word follows. */
function segmentEnds(text, language) {
  const found = [];
  let [last, at] = [null, 0]; // the end of the last word, its marks not yet with it
  for (const segment of segmentsOf(text, language)) {
    if (CONTENT.test(segment)) {
      if (last !== null) found.push(last + split(text.slice(last, at)));
      last = at + segment.length;
    }
    at += segment.length;
  }
  return found;
}

function segmentsOf(text, language) {
  const cut = (whole, granularity) =>
    Array.from(new Intl.Segmenter(language, { granularity }).segment(whole), (one) => one.segment);
  return cut(text, "word").flatMap((whole) => {
    if (!UNSPACED.test(whole)) return [whole];
    const signs = cut(whole, "grapheme");
    return signs.reduce((all, sign) => {
      const joins = all.length && !UNSPACED.test(sign) && !UNSPACED.test(all.at(-1));
      return joins ? [...all.slice(0, -1), all.at(-1) + sign] : [...all, sign];
    }, []);
  });
}

/** How many characters of what stands between two words belong to the first. */
function split(gap) {
  const space = gap.search(TURN) < 0 ? gap.search(/\s/u) : gap.search(TURN);
  if (space >= 0) return space;
  const opening = gap.search(OPENING);
  return opening < 0 ? gap.length : opening;
}

/**
 * The words of a text, together covering every token once. White space goes with the word after.
 * @param {import("./tokenizer.js").Tokenizer} tokenizer
 * @param {number[]} tokens
 * @param {"spaces"|"segments"|"tokens"} kind
 * @returns {{text: string, start: number, stop: number}[]}
 */
export function wordsOf(tokenizer, tokens, kind = "spaces", language = "en") {
  const { text, before } = readable(tokenizer.bytes(tokens));
  const ends = new Set(endsOf(text, kind, language).map((end) => before[end]));
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
