/** Tokens and words, and the bytes that tables and weights come from. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { frequentWords } from "../../../looking_glass/report/live/search.js";
import { Tokenizer, pairsOf } from "../../../looking_glass/report/live/tokenizer.js";
import { bytesOf, tensorsOf } from "../../../looking_glass/report/live/unpack.js";
import { named, shown, wordsOf } from "../../../looking_glass/report/live/words.js";

// Tokens of single bytes: those that print, in order from "!", then the others.
const byte = (sign) => sign.charCodeAt(0) - 33;
const SPACE = 188 + 32; // 188 bytes print, 32 others come before the space
const MERGES = [byte("t"), byte("h"), 256, byte("e"), SPACE, 257, byte("c"), byte("a")];
const tokenizer = new Tokenizer(Uint32Array.from(MERGES));

test("neighbours that were merged first are joined first", () => {
  assert.deepEqual(tokenizer.encode("the"), [257]);
  assert.deepEqual(tokenizer.encode(" the cat"), [258, SPACE, 259, byte("t")]);
  assert.deepEqual(tokenizer.encode(""), []);
  assert.deepEqual(tokenizer.encode("the's"), [257, byte("'"), byte("s")]);
});

test("what was encoded is decoded, whatever its signs", () => {
  for (const text of ["the cat, the", "straße 🐿️\n\n\tÄ", "\u0085\ufeffx", "日本"]) {
    assert.equal(tokenizer.decode(tokenizer.encode(text)), text);
  }
  assert.equal(tokenizer.decode([tokenizer.pieces.length - 1]), "<|endoftext|>");
  assert.equal(tokenizer.decode(tokenizer.encode("\ud800")), "\ufffd"); // half a sign is none
});

test("white space at the end of a prompt is as before a word", () => {
  assert.deepEqual(tokenizer.encodePrompt("the "), [257, SPACE]);
  assert.deepEqual(tokenizer.encodePrompt("the  "), [257, SPACE, SPACE]);
  assert.deepEqual(tokenizer.encodePrompt("the"), [257]);
});

test("words cover every token once, by spaces, by Unicode's bounds or one a token", () => {
  const tokens = tokenizer.encode("the cat, the");
  const texts = (kind) => {
    const words = wordsOf(tokenizer, tokens, kind);
    assert.equal(words[0].start, 0);
    words.slice(1).forEach((word, i) => assert.equal(word.start, words[i].stop));
    assert.equal(words.at(-1).stop, tokens.length);
    return words.map((word) => word.text);
  };
  assert.deepEqual(texts("spaces"), ["the", "cat,", "the"]);
  assert.deepEqual(texts("segments"), ["the", "cat,", "the"]);
  assert.deepEqual(texts("tokens"), ["the", "␣", "ca", "t", ",", "the"]);
  assert.deepEqual(wordsOf(tokenizer, []), []);
});

test("white space that stands alone is in sight", () => {
  assert.equal(shown(" a\n\t\r"), "␣a↵⇥␍");
  assert.deepEqual(named([" a", " "], 0), { token: 0, text: " a", shown: "␣a", said: "a" });
  assert.equal(named([" a", " "], 1).said, "␣");
});

test("frequent words are whole ones of three letters and more", () => {
  assert.deepEqual(frequentWords(tokenizer, 5), [258]);
});

test("pairs come back from their planes of bytes", () => {
  const numbers = [1, 70000, 2, 300]; // left tokens, then right ones
  const bytes = [0, 8, 16, 24].flatMap((shift) => numbers.map((number) => (number >> shift) & 255));
  assert.deepEqual([...pairsOf(Uint8Array.from(bytes))], [1, 2, 70000, 300]);
});

test("text of base 91 is bytes again, thirteen bits in two signs", () => {
  const signs = Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))
    .filter((sign) => !"&<\\".includes(sign));
  const pair = (value) => signs[value % 91] + signs[Math.floor(value / 91)];
  assert.deepEqual([...bytesOf(pair(3) + pair(0) + pair(0x1234) + pair(0x7ff))], [0x34, 0xf2, 0xff]);
  assert.equal(bytesOf(pair(0) + pair(0)).length, 0);
});

test("rows of one byte and of two are numbers times their scale, in room that is asked for", () => {
  const body = new DataView(new ArrayBuffer(8 + 4 + 4 + 4 + 2));
  [0.5, 2].forEach((scale, i) => body.setFloat32(4 * i, scale, true));
  body.setUint32(8, 1, true); // row 1 is wide
  body.setFloat32(12, 7, true); // a bias
  [3, -4, 0x10, 0x20, 1, -1].forEach((value, i) => body.setInt8(16 + i, value));
  const head = { exact: 16, tensors: [{ name: "W", shape: [2, 2], wide: 1 }, { name: "b", shape: [1] }] };
  const asked = [];
  const room = (count) => { asked.push(count); return new Float32Array(count); };
  const { W, b } = tensorsOf(head, new Uint8Array(body.buffer), room);
  assert.deepEqual([...W.data], [1.5, -2, 2 * 0x110, 2 * (0x20 - 256)]);
  assert.deepEqual([...b.data], [7]);
  assert.deepEqual(asked, [4]);
});
