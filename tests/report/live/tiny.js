/** A model of random numbers for the tests: two blocks of two heads, 8 wide, 30 tokens, 12 positions. */
import { Model } from "../../../looking_glass/report/live/model.js";

/** Numbers between -1 and 1, the same for the same seed: Numerical Recipes' generator, modulo 2^32. */
export function numbers(seed = 1) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** So many of them. @returns {Float32Array} */
export function some(count, seed = 1) {
  const next = numbers(seed);
  return Float32Array.from({ length: count }, next);
}

export const CONFIG = { n_layer: 2, n_head: 2, n_embd: 8, block_size: 12, vocab_size: 30 };

/** The tensors of such a model, by GPT-2's names. */
export function tensors() {
  const C = CONFIG.n_embd;
  const shapes = { "transformer.wte.weight": [30, C], "transformer.wpe.weight": [12, C] };
  for (let block = 0; block < CONFIG.n_layer; block++) {
    const at = `transformer.h.${block}.`;
    for (const name of ["ln_1", "ln_2"]) Object.assign(shapes, pair(at + name, [C], C));
    Object.assign(shapes, pair(`${at}attn.c_attn`, [3 * C, C], 3 * C), pair(`${at}attn.c_proj`, [C, C], C));
    Object.assign(shapes, pair(`${at}mlp.c_fc`, [4 * C, C], 4 * C), pair(`${at}mlp.c_proj`, [C, 4 * C], C));
  }
  Object.assign(shapes, pair("transformer.ln_f", [C], C));
  return Object.fromEntries(Object.entries(shapes).map(([name, shape], seed) =>
    [name, { shape, data: some(shape.reduce((all, n) => all * n), seed + 1) }]));
}

function pair(name, weight, bias) {
  return { [`${name}.weight`]: weight, [`${name}.bias`]: [bias] };
}

export const tiny = (product) => new Model(CONFIG, tensors(), product);

/** The largest difference of two rows of numbers. */
export function apart(found, expected) {
  if (found.length !== expected.length) throw new Error(`${found.length} numbers, not ${expected.length}`);
  return found.reduce((most, value, i) => Math.max(most, Math.abs(value - expected[i])), 0);
}
