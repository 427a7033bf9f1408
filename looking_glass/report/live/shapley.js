/**
 * Exactly what each word is worth to a choice: the model's answer for all 2^n sets of n words.
 *
 * As in looking_glass/yardstick: a word outside a set is attended to by no position in any block,
 * itself included; the last position's own embedding stays. Set s holds word i where bit i of s is
 * 1. A position depends on what comes before it alone, so the keys and values of word i are computed
 * once for each of the 2^i sets of the words before it, and all larger sets share them.
 */
import { layerNorm, softmax } from "./arithmetic.js";
import { third } from "./model.js";

const ROWS = 16; // sets that are computed between two looks at other work

/**
 * log p(target) in nats for every set. `step(done, all)` is awaited between two pieces of work.
 * @param {import("./model.js").Model} model
 * @param {number[]} tokens @param {{start: number, stop: number}[]} words covering them without gap
 * @param {number} target
 * @param {function(number, number): Promise<void>} step
 * @returns {Promise<Float64Array>} (2^n)
 */
export async function setValues(model, tokens, words, target, step) {
  const n = words.length;
  const sets = 2 ** n;
  const seen = [];
  const state = { done: 0, all: 4 * sets, step };
  let whole;
  for (let index = 0; index < n; index++) {
    const { start, stop } = words[index];
    whole = await wordPass(model, tokens.slice(start, stop), start, 2 ** index, seen, true, state);
    seen.push(whole);
  }
  const last = tokens.length - 1;
  seen.pop();
  const without = await wordPass(model, [tokens[last]], last, sets / 2, seen, false, state);
  const values = new Float64Array(sets);
  const { C } = model;
  for (const withLast of [0, 1]) {
    const part = [without, whole][withLast].stream;
    const offset = withLast * (sets / 2);
    for (let row = 0; row < sets / 2; row += ROWS / 2) {
      const some = part.subarray(row * C, (row + ROWS / 2) * C);
      const targets = new Array(some.length / C).fill(target);
      values.set(model.logProbs(some, targets), offset + row);
      state.done += 2.5 * targets.length;
      await step(Math.min(state.done, state.all), state.all);
    }
  }
  return values;
}

/**
 * Run the tokens of one word, for R sets of the words before it.
 * @returns {Promise<{R: number, t: number, keys: Float32Array[], values: Float32Array[],
 *   stream: Float32Array}>} keys and values a block each (R, t, C), and the last position's (R, C)
 */
async function wordPass(model, tokens, start, R, seen, keepOwn, state) {
  const { L, C } = model;
  const t = tokens.length;
  const made = () => Array.from({ length: L }, () => new Float32Array(R * t * C));
  const word = { R, t, keys: made(), values: made(), stream: new Float32Array(R * C) };
  const entering = model.embed(tokens, start);
  for (let row = 0; row < R; row += ROWS) {
    const rows = Math.min(ROWS, R - row);
    const n = rows * t;
    /** @type {Float32Array} */
    let x = new Float32Array(n * C);
    for (let one = 0; one < rows; one++) x.set(entering, one * t * C);
    for (let block = 0; block < L; block++) {
      const { ln1, qkv } = model.blocks[block];
      const all = model.affine(...qkv, layerNorm(x, ...ln1, n, C), n, C, 3 * C);
      word.keys[block].set(third(all, 1, n, C), row * t * C);
      word.values[block].set(third(all, 2, n, C), row * t * C);
      const sources = keepOwn ? [...seen, word] : seen;
      const mixed = gather(model, block, third(all, 0, n, C), row, rows, t, sources, keepOwn);
      x = model.finish(block, x, mixed, n);
    }
    for (let one = 0; one < rows; one++) {
      word.stream.set(x.subarray((one * t + t - 1) * C, (one + 1) * t * C), (row + one) * C);
    }
    state.done += rows / 2;
    await state.step(Math.min(state.done, state.all), state.all);
  }
  return word;
}

/** What the heads of sets row … row + rows - 1 gather; where nothing may be attended to, zeros. */
function gather(model, block, query, row, rows, t, sources, keepOwn) {
  const { nh, hs, C } = model;
  const mixed = new Float32Array(rows * t * C);
  const scores = new Float64Array(sources.reduce((sum, word) => sum + word.t, 0));
  const places = new Int32Array(scores.length);
  const own = keepOwn ? sources.length - 1 : -1;
  for (let one = 0; one < rows; one++) {
    for (let position = 0; position < t; position++) {
      for (let head = 0; head < nh; head++) {
        const q = (one * t + position) * C + head * hs;
        let count = 0;
        const from = [];
        sources.forEach((word, index) => {
          const set = row + one;
          if (index !== own && !((set >> index) & 1)) return;
          const length = index === own ? position + 1 : word.t;
          const keys = word.keys[block];
          for (let k = 0; k < length; k++) {
            const place = ((set % word.R) * word.t + k) * C + head * hs;
            let sum = 0;
            for (let i = 0; i < hs; i++) sum += query[q + i] * keys[place + i];
            places[count] = place;
            from.push(word.values[block]);
            scores[count++] = sum / Math.sqrt(hs);
          }
        });
        softmax(scores, count);
        for (let k = 0; k < count; k++) {
          const [share, place, values] = [scores[k], places[k], from[k]];
          for (let i = 0; i < hs; i++) mixed[q + i] += share * values[place + i];
        }
      }
    }
  }
  return mixed;
}

/**
 * Each word's Shapley value: what it adds to the sets that it joins, over all orders.
 * @param {Float64Array} values (2^n)
 * @returns {number[]} (n); together they are v(all) - v(none)
 */
export function shapleyValues(values) {
  const n = Math.log2(values.length);
  const share = [1 / n]; // share[size] = 1 / (n · (n - 1 over size))
  for (let size = 1; size < n; size++) share.push((share[size - 1] * size) / (n - size));
  const found = new Array(n).fill(0);
  for (let set = 0; set < values.length; set++) {
    let size = 0;
    for (let bits = set; bits; bits >>= 1) size += bits & 1;
    for (let word = 0; word < n; word++) {
      if (!((set >> word) & 1)) found[word] += share[size] * (values[set | (1 << word)] - values[set]);
    }
  }
  return found;
}
