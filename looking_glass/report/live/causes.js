/** What a choice owes to words and edges: take one away, and look at the change. */
import { logSumExp } from "./arithmetic.js";

/**
 * What is taken away.
 * @typedef {Object} Cuts
 * @property {[number, number][]} words spans of positions (start, stop) that no later position
 *   attends to, in any block
 * @property {{rows: [number, number], keys: [number, number], block: ?number, head: ?number}[]} edges
 *   positions in `rows` don't attend to those in `keys`; null is every block, or every head
 */

/**
 * Which edges the cuts take. A word at the end of the text is lost to its own last position, as in
 * interventions.py.
 * @param {Cuts} cuts @param {number} T
 * @returns {{removed: function(number, number, number, number): boolean, start: number}} and the
 *   first position that any of them touches
 */
export function removalOf({ words = [], edges = [] }, T) {
  const spans = words.map(([start, stop]) => [start, stop, stop < T ? stop : T - 1]);
  const inside = (position, [start, stop]) => position >= start && position < stop;
  return {
    removed: (block, head, query, key) =>
      spans.some(([start, stop, from]) => query >= from && key >= start && key < stop)
      || edges.some((edge) => inside(query, edge.rows) && inside(key, edge.keys)
        && (edge.block ?? block) === block && (edge.head ?? head) === head),
    start: Math.min(T, ...spans.map((span) => span[2]), ...edges.map((edge) => edge.rows[0])),
  };
}

/** Run a text without what the cuts take; what is before the first of them is known. */
export function runWithout(model, trace, cuts) {
  const T = trace.tokens.length;
  const { removed, start } = removalOf(cuts, T);
  return start >= T ? trace : model.run(trace.tokens, { known: trace, removed, start });
}

/**
 * The nats that the choice loses without each word alone: positive where it becomes less probable.
 * @param {import("./model.js").Model} model
 * @param {import("./model.js").Trace} trace
 * @param {{start: number, stop: number}[]} words
 * @param {number} choice token
 * @param {function(number, number): Promise<void>} step awaited after each word
 * @returns {Promise<number[]>}
 */
export async function knockOuts(model, trace, words, choice, step) {
  const logProb = (one) => {
    const logits = model.lastLogits(one);
    return logits[choice] - logSumExp(logits);
  };
  const whole = logProb(trace);
  const lost = [];
  for (const { start, stop } of words) {
    lost.push(whole - logProb(runWithout(model, trace, { words: [[start, stop]] })));
    await step(lost.length, words.length);
  }
  return lost;
}
