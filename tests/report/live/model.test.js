/** The model, what is taken away of it, and what is read off it. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { wordPattern } from "../../../looking_glass/report/live/attention.js";
import { logSumExp } from "../../../looking_glass/report/live/arithmetic.js";
import { knockOuts, removalOf, runWithout } from "../../../looking_glass/report/live/causes.js";
import { lens, likeliest, tokenSurprisals } from "../../../looking_glass/report/live/reading.js";
import { searchWords } from "../../../looking_glass/report/live/search.js";
import { setValues, shapleyValues } from "../../../looking_glass/report/live/shapley.js";
import { drawn, probabilities } from "../../../looking_glass/report/live/next_token.js";
import { CONFIG, apart, some, tiny } from "./tiny.js";

const model = tiny();
const TOKENS = [3, 1, 4, 1, 5, 9, 2, 6];
const WORDS = [[0, 1], [1, 3], [3, 4], [4, 7], [7, 8]].map(([start, stop]) => ({ start, stop }));
const wait = async () => {};
const logProb = (trace, token) => {
  const logits = model.lastLogits(trace);
  return logits[token] - logSumExp(logits);
};

test("a run behind what is known is the run from the start", () => {
  const known = model.run(TOKENS.slice(0, 5));
  const whole = model.run(TOKENS);
  const on = model.run(TOKENS, { known });
  for (const name of ["keys", "values", "patterns", "streams"]) {
    whole[name].forEach((array, block) => assert.ok(apart(on[name][block], array) < 1e-6, name));
  }
  const changed = [...TOKENS.slice(0, 3), 7, 8];
  const again = model.run(changed, { known });
  assert.ok(apart(model.lastLogits(again), model.lastLogits(model.run(changed))) < 1e-6);
});

test("attention is causal, and its rows sum to one", () => {
  const T = TOKENS.length;
  for (const pattern of model.run(TOKENS).patterns) {
    for (let row = 0; row < CONFIG.n_head * T; row++) {
      const shares = pattern.subarray(row * T, (row + 1) * T);
      assert.ok(Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 1e-6);
      assert.ok(shares.subarray((row % T) + 1).every((share) => share === 0));
    }
  }
});

test("a word's row is the sum over its tokens, and the mean over heads", () => {
  const T = 3;
  const pattern = Float32Array.from([1, 0, 0, 0.5, 0.5, 0, 0.2, 0.3, 0.5, 1, 0, 0, 0.9, 0.1, 0, 0.4, 0.2, 0.4]);
  const words = [{ start: 0, stop: 2 }, { start: 2, stop: 3 }];
  const near = (found, expected) => assert.ok(apart(found.flat(), expected.flat()) < 1e-6);
  near(wordPattern([pattern], words, T, 0, 0), [[1, 0], [0.5, 0.5]]);
  near(wordPattern([pattern], words, T, 0, null), [[1, 0], [0.55, 0.45]]);
});

test("a word that is taken away gets nothing, and nothing before it changes", () => {
  const trace = model.run(TOKENS);
  const T = TOKENS.length;
  const without = runWithout(model, trace, { words: [[1, 3]] });
  without.patterns.forEach((pattern, block) => {
    for (let head = 0; head < CONFIG.n_head; head++) {
      for (let query = 0; query < T; query++) {
        const row = pattern.subarray((head * T + query) * T, (head * T + query + 1) * T);
        if (query >= 3) assert.equal(row[1] + row[2], 0);
        else assert.deepEqual(row, trace.patterns[block].subarray((head * T + query) * T, (head * T + query + 1) * T));
      }
    }
  });
  assert.notEqual(logProb(without, 2), logProb(trace, 2));
  assert.equal(runWithout(model, trace, { words: [], edges: [] }), trace);
});

test("an edge is taken in all blocks, in one, or in one head; the rest of its row shares", () => {
  const trace = model.run(TOKENS);
  const T = TOKENS.length;
  const share = (one, block, head) => one.patterns[block][(head * T + 6) * T + 4];
  const cut = (block, head) =>
    runWithout(model, trace, { edges: [{ rows: [6, 7], keys: [4, 5], block, head }] });
  const gone = (one) => [[0, 0], [0, 1], [1, 0], [1, 1]].map(([b, h]) => Number(share(one, b, h) === 0));
  assert.deepEqual(gone(cut(null, null)), [1, 1, 1, 1]);
  assert.deepEqual(gone(cut(1, null)), [0, 0, 1, 1]);
  assert.deepEqual(gone(cut(1, 0)), [0, 0, 1, 0]);
  const [kept, left] = [trace, cut(1, 0)].map((one) => one.patterns[1].subarray(6 * T, 7 * T));
  assert.ok(Math.abs(left[2] - kept[2] / (1 - kept[4])) < 1e-6);
});

test("what a cut touches first is told; the last word is lost to its own last position", () => {
  assert.equal(removalOf({ words: [[1, 3]], edges: [{ rows: [2, 3], keys: [0, 1] }] }, 8).start, 2);
  const { removed, start } = removalOf({ words: [[6, 8]] }, 8);
  assert.equal(start, 7);
  assert.deepEqual([removed(0, 0, 7, 6), removed(0, 0, 7, 7), removed(0, 0, 6, 6)], [true, true, false]);
});

test("what the choice loses is told by word, with a step after each", async () => {
  const trace = model.run(TOKENS);
  const steps = [];
  const lost = await knockOuts(model, trace, WORDS, 2, (done) => { steps.push(done); });
  assert.deepEqual(steps, [1, 2, 3, 4, 5]);
  const other = runWithout(model, trace, { words: [[4, 7]] });
  assert.ok(Math.abs(lost[3] - (logProb(trace, 2) - logProb(other, 2))) < 1e-9);
});

test("all sets of words together are what each set is by itself", async () => {
  const found = await setValues(model, TOKENS, WORDS, 2, wait);
  const wordAt = (position) => WORDS.findIndex(({ stop }) => position < stop);
  const expected = Float64Array.from({ length: 2 ** WORDS.length }, (_, set) =>
    logProb(model.run(TOKENS, { removed: (_block, _head, _query, key) => !((set >> wordAt(key)) & 1) }), 2));
  assert.ok(apart(found, expected) < 1e-5);
});

test("Shapley values are those of games whose answer is known, and share out the whole", async () => {
  const worth = [3, -1, 0.5, 0]; // no word needs another
  const sum = (set) => worth.reduce((all, w, i) => all + (((set >> i) & 1) ? w : 0), 0);
  assert.ok(apart(shapleyValues(Float64Array.from({ length: 16 }, (_, set) => sum(set))), worth) < 1e-12);
  const both = Float64Array.from({ length: 8 }, (_, set) => Number((set & 3) === 3)); // two are needed
  assert.ok(apart(shapleyValues(both), [0.5, 0.5, 0]) < 1e-12);
  const values = await setValues(model, TOKENS, WORDS, 2, wait);
  const all = shapleyValues(values).reduce((a, b) => a + b, 0);
  assert.ok(Math.abs(all - (values.at(-1) - values[0])) < 1e-9);
});

test("a text's surprisal is minus its log-probability, in windows that overlap where it is longer", async () => {
  const short = await tokenSurprisals(model, [0], TOKENS, wait);
  TOKENS.forEach((token, i) => {
    const trace = model.run([0, ...TOKENS.slice(0, i)]);
    assert.ok(Math.abs(short[i] + logProb(trace, token)) < 1e-5);
  });
  const long = [...TOKENS, ...TOKENS, ...TOKENS];
  const found = await tokenSurprisals(model, [0], long, wait);
  assert.equal(found.length, long.length);
  assert.ok(apart(found.slice(0, 8), short) < 1e-5);
  const second = model.run([0, ...long].slice(6, 12)); // the window that starts half a block on
  assert.ok(Math.abs(found[11] + logProb(second, long[11])) < 1e-5);
});

test("the likeliest come first, as sorting has them", () => {
  const values = some(40);
  const sorted = [...values.keys()].sort((a, b) => values[b] - values[a]);
  assert.deepEqual(likeliest(values, 7), sorted.slice(0, 7));
  assert.deepEqual(likeliest(Float32Array.of(1, 2), 5), [1, 0]);
});

test("the lens ends with what the whole model says", async () => {
  const trace = model.run(TOKENS);
  const rows = await lens(model, trace, 2, wait);
  assert.equal(rows.length, CONFIG.n_layer + 1);
  assert.equal(rows.at(-1).top[0].token, likeliest(model.lastLogits(trace), 1)[0]);
  assert.ok(Math.abs(Math.log(rows.at(-1).choice) - logProb(trace, 2)) < 1e-6);
});

test("a search ends no worse than it began, and keeps the first word", async () => {
  const start = [3, 1, 4];
  const before = Math.exp(logProb(model.run(start), 2));
  const found = await searchWords(model, start, [...Array(30).keys()], 2, 2, wait);
  assert.equal(found.tokens[0], 3);
  assert.equal(found.tries, 120);
  assert.ok(found.p > before);
  assert.ok(Math.abs(Math.exp(logProb(model.run(found.tokens), 2)) - found.p) < 1e-6);
});

test("a temperature sharpens or flattens; a number draws a token", () => {
  const logits = Float32Array.of(0, Math.log(3));
  assert.ok(apart(probabilities(logits), [0.25, 0.75]) < 1e-6);
  assert.ok(apart(probabilities(logits, 0.5), [0.1, 0.9]) < 1e-6);
  assert.deepEqual([0, 0.24, 0.26, 0.999].map((number) => drawn([0.25, 0.75], number)), [0, 0, 1, 1]);
  assert.equal(drawn([0.25, 0.7], 0.99), 1); // rounding left a gap
});
