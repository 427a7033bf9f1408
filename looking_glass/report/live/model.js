/**
 * GPT-2, one position at a time behind what is already known of those before.
 *
 * L blocks, nh heads of hs channels, C = nh · hs, V tokens, T positions: as in looking_glass/gpt.
 */
import { affine, gelu, layerNorm, logSumExp, softmax } from "./arithmetic.js";

/**
 * What one run leaves behind: all that later positions, and a reader, may ask of earlier ones.
 * @typedef {Object} Trace
 * @property {number[]} tokens (T)
 * @property {Float32Array[]} keys a block each: (T, C)
 * @property {Float32Array[]} values a block each: (T, C)
 * @property {Float32Array[]} patterns a block each: (nh, T, T), zero above the diagonal
 * @property {Float32Array} [logits] of the next token, once asked for: (V)
 * @property {Float32Array[]} streams (L + 1): what enters each block, then what leaves the last
 */

/** @typedef {[Float32Array, Float32Array]} Pair weights and biases */

export class Model {
  /**
   * @param {{n_layer: number, n_head: number, n_embd: number, block_size: number}} config
   * @param {Object<string, {shape: number[], data: Float32Array}>} tensors by GPT-2's names
   * @param {typeof affine} [product] W x + b: kernel.js has a faster one
   */
  constructor(config, tensors, product = affine) {
    this.affine = product;
    const data = (name) => tensors[name].data;
    const C = config.n_embd;
    this.L = config.n_layer;
    this.nh = config.n_head;
    this.C = C;
    this.hs = C / config.n_head;
    this.blockSize = config.block_size;
    this.wte = data("transformer.wte.weight");
    this.wpe = data("transformer.wpe.weight");
    this.V = this.wte.length / C;
    this.out = tensors["lm_head.weight"] ? data("lm_head.weight") : this.wte;
    /** @type {Pair} */
    this.lnF = [data("transformer.ln_f.weight"), data("transformer.ln_f.bias")];
    this.blocks = Array.from({ length: this.L }, (_, index) => {
      /** @returns {Pair} */
      const pair = (name) => {
        const at = `transformer.h.${index}.${name}`;
        return [data(`${at}.weight`), data(`${at}.bias`)];
      };
      return {
        ln1: pair("ln_1"), qkv: pair("attn.c_attn"), proj: pair("attn.c_proj"),
        ln2: pair("ln_2"), up: pair("mlp.c_fc"), down: pair("mlp.c_proj"),
      };
    });
  }

  /**
   * What enters the first block: embeddings plus positions from `start` on. (n, C)
   * @param {number[]} tokens (n)
   */
  embed(tokens, start = 0) {
    const { C, wte, wpe } = this;
    const x = new Float32Array(tokens.length * C);
    tokens.forEach((token, t) => {
      for (let i = 0; i < C; i++) x[t * C + i] = wte[token * C + i] + wpe[(start + t) * C + i];
    });
    return x;
  }

  /**
   * Run tokens through the blocks.
   * @param {number[]} tokens (T), at most blockSize
   * @param {{known?: Trace, removed?: (block: number, head: number, query: number, key: number)
   *   => boolean, start?: number}} [options] `known`: a trace that holds for all positions before
   *   `start`. `removed`: which edges get no attention; the rest of the row shares it.
   * @returns {Trace}
   */
  run(tokens, { known, removed, start = known ? shared(known.tokens, tokens) : 0 } = {}) {
    const { L, C } = this;
    const T = tokens.length;
    const n = T - start;
    const trace = { tokens, keys: [], values: [], patterns: [], streams: [] };
    /** @type {Float32Array} */
    let x = this.embed(tokens.slice(start), start);
    for (let block = 0; block < L; block++) {
      const { ln1, qkv } = this.blocks[block];
      trace.streams.push(after(known?.streams[block], x, start * C));
      const made = this.affine(...qkv, layerNorm(x, ...ln1, n, C), n, C, 3 * C);
      const [query, keys, values] = [0, 1, 2].map((part) => third(made, part, n, C));
      trace.keys.push(after(known?.keys[block], keys, start * C));
      trace.values.push(after(known?.values[block], values, start * C));
      const mixed = this.attend(trace, block, query, start, T, known, removed);
      x = this.finish(block, x, mixed, n);
    }
    trace.streams.push(after(known?.streams[L], x, start * C));
    return trace;
  }

  /** The rest of a block after its heads have gathered `mixed` (n, C): the stream that leaves it. */
  finish(block, x, mixed, n) {
    const { C } = this;
    const { proj, ln2, up, down } = this.blocks[block];
    const between = this.affine(...proj, mixed, n, C, C);
    for (let i = 0; i < between.length; i++) between[i] += x[i];
    const inner = gelu(this.affine(...up, layerNorm(between, ...ln2, n, C), n, C, 4 * C));
    const out = this.affine(...down, inner, n, 4 * C, C);
    for (let i = 0; i < out.length; i++) out[i] += between[i];
    return out;
  }

  /** What the heads gather at positions start … T - 1, (n, C); their shares go into the trace. */
  attend(trace, block, query, start, T, known, removed) {
    const { nh, hs, C } = this;
    const [keys, values] = [trace.keys[block], trace.values[block]];
    const pattern = new Float32Array(nh * T * T);
    trace.patterns.push(pattern);
    const mixed = new Float32Array((T - start) * C);
    const scores = new Float64Array(T);
    for (let head = 0; head < nh; head++) {
      const at = head * hs;
      const before = known && Math.sqrt(known.patterns[block].length / nh);
      for (let t = 0; t < start; t++) { // rows that are known already
        const from = (head * before + t) * before;
        pattern.set(known.patterns[block].subarray(from, from + t + 1), (head * T + t) * T);
      }
      for (let t = start; t < T; t++) {
        const q = (t - start) * C + at;
        for (let k = 0; k <= t; k++) {
          let sum = 0;
          for (let i = 0; i < hs; i++) sum += query[q + i] * keys[k * C + at + i];
          scores[k] = removed?.(block, head, t, k) ? -Infinity : sum / Math.sqrt(hs);
        }
        softmax(scores, t + 1);
        for (let k = 0; k <= t; k++) {
          const share = scores[k];
          pattern[(head * T + t) * T + k] = share;
          for (let i = 0; i < hs; i++) mixed[q + i] += share * values[k * C + at + i];
        }
      }
    }
    return mixed;
  }

  /** Logits (n, V) of streams (n, C), which may be those between two blocks (the logit lens). */
  logits(streams, n = 1) {
    return this.affine(this.out, null, layerNorm(streams, ...this.lnF, n, this.C), n, this.C, this.V);
  }

  /** The logits of the next token after a trace: (V). */
  lastLogits(trace) {
    const stream = trace.streams[this.L];
    return this.logits(stream.subarray(stream.length - this.C));
  }

  /** log p in nats of `targets[i]` after stream row i: streams (n, C) → (n). */
  logProbs(streams, targets) {
    const logits = this.logits(streams, targets.length);
    return targets.map((target, row) =>
      logits[row * this.V + target] - logSumExp(logits, row * this.V, this.V));
  }
}

/** How many tokens two texts share at their beginning; the last of `tokens` is always run. */
function shared(known, tokens) {
  let same = 0;
  while (same < known.length && same < tokens.length - 1 && known[same] === tokens[same]) same++;
  return same;
}

/** The first `length` numbers of `known`, then `x`. */
function after(known, x, length) {
  if (!length) return x;
  const whole = new Float32Array(length + x.length);
  whole.set(known.subarray(0, length));
  whole.set(x, length);
  return whole;
}

/** Part 0, 1 or 2 of query, key and value: (n, 3C) → (n, C). */
export function third(made, part, n, C) {
  const out = new Float32Array(n * C);
  for (let t = 0; t < n; t++) {
    out.set(made.subarray((3 * t + part) * C, (3 * t + part + 1) * C), t * C);
  }
  return out;
}
