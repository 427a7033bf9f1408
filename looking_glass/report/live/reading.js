/** What the model makes of a text: its surprise at each word, and what each block would say. */
import { logSumExp } from "./arithmetic.js";
import { wordsOf } from "./words.js";

const STRIDE = 2; // a window moves by the block's length over this

/**
 * The surprisal in nats of each token of `tokens` after `before`, which is not scored.
 *
 * A text that the block can't hold is read in windows that overlap, so that each token has at least
 * half a block before it.
 * @param {import("./model.js").Model} model
 * @param {number[]} before at least one token
 * @param {number[]} tokens
 * @param {function(number, number): Promise<void>} step
 * @returns {Promise<number[]>}
 */
export async function tokenSurprisals(model, before, tokens, step) {
  const all = [...before, ...tokens];
  const found = [];
  let from = 0;
  for (let scored = before.length; scored < all.length;) {
    const stop = Math.min(all.length, from + model.blockSize);
    const trace = model.run(all.slice(from, stop));
    const stream = trace.streams[model.L];
    for (; scored < stop; scored += 4) {
      const targets = all.slice(scored, Math.min(scored + 4, stop));
      const row = (scored - 1 - from) * model.C;
      const rows = stream.subarray(row, row + targets.length * model.C);
      found.push(...model.logProbs(rows, targets).map((value) => -value));
      await step(found.length, tokens.length);
    }
    scored = stop;
    from = stop - Math.floor(model.blockSize / STRIDE);
  }
  return found;
}

/** The words of a text, each with the sum of its tokens' surprisal. */
export async function wordSurprisals(model, tokenizer, text, before, kind, language, step) {
  const tokens = tokenizer.encodePrompt(text);
  const values = await tokenSurprisals(model, before, tokens, step);
  return wordsOf(tokenizer, tokens, kind, language).map(({ text: word, start, stop }) => ({
    text: word,
    tokens: stop - start,
    nats: values.slice(start, stop).reduce((sum, value) => sum + value, 0),
  }));
}

/** The `count` likeliest tokens of logits, the likeliest first. @returns {number[]} */
export function likeliest(logits, count) {
  const found = [];
  for (let token = 0; token < logits.length; token++) {
    if (found.length === count && logits[token] <= logits[found[count - 1]]) continue;
    let at = found.length;
    while (at > 0 && logits[found[at - 1]] < logits[token]) at--;
    found.splice(at, 0, token);
    found.length = Math.min(found.length, count);
  }
  return found;
}

/**
 * The logit lens (nostalgebraist 2020): what the output layer reads off the last position's stream
 * before the first block and after each.
 * @returns {Promise<{top: {token: number, p: number}[], choice: number}[]>} L + 1 of them; `choice` is the
 *   probability of the token that the whole model chooses
 */
export async function lens(model, trace, choice, step) {
  const found = [];
  for (const stream of trace.streams) {
    const logits = model.logits(stream.subarray(stream.length - model.C));
    const total = logSumExp(logits);
    const p = (token) => Math.exp(logits[token] - total);
    found.push({ top: likeliest(logits, 3).map((token) => ({ token, p: p(token) })), choice: p(choice) });
    await step(found.length, trace.streams.length);
  }
  return found;
}
