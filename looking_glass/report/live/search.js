/** Inversion by real words: which few make the model say a wanted one? */
import { logSumExp } from "./arithmetic.js";

/** Words that are frequent in English come early in GPT-2's merges: the first `count` of three letters and more. */
export function frequentWords(tokenizer, count) {
  const found = [];
  for (let token = 256; found.length < count && token < tokenizer.pieces.length - 1; token++) {
    const text = tokenizer.decode([token]);
    if (/^ \p{L}{3,}$/u.test(text)) found.push(token);
  }
  return found;
}

/**
 * Exchange one word after the other for the one after which `target` is likeliest: coordinate
 * ascent from `start`, each pass from the last word to the first.
 * @param {import("./model.js").Model} model
 * @param {number[]} start tokens; the first of them stays
 * @param {number[]} candidates tokens
 * @param {number} target token
 * @param {number} passes
 * @param {function(number, number, {tokens: number[], p: number}): Promise<void>} step
 * @returns {Promise<{tokens: number[], p: number, tries: number}>}
 */
export async function searchWords(model, start, candidates, target, passes, step) {
  const logProb = (trace) => {
    const logits = model.lastLogits(trace);
    return logits[target] - logSumExp(logits);
  };
  let tokens = [...start];
  let best = logProb(model.run(tokens));
  let tries = 0;
  const all = passes * (tokens.length - 1) * candidates.length;
  for (let pass = 0; pass < passes; pass++) {
    for (let place = tokens.length - 1; place > 0; place--) {
      let known = model.run(tokens);
      for (const candidate of candidates) {
        const tried = tokens.with?.(place, candidate) ?? tokens.map((t, i) => (i === place ? candidate : t));
        const value = logProb(model.run(tried, { known, start: place }));
        if (value > best) {
          [best, tokens] = [value, tried];
          known = model.run(tokens);
        }
        tries += 1;
        await step(tries, all, { tokens, p: Math.exp(best) });
      }
    }
  }
  return { tokens, p: Math.exp(best), tries };
}
