/** The next token's distribution: logits, temperature, bars, and drawing from it. */
import { at, make, percent } from "./dom.js";
import { logSumExp } from "./arithmetic.js";
import { likeliest } from "./reading.js";

/** Probabilities at a temperature: p ∝ exp(logit / temperature). @returns {Float64Array} (V) */
export function probabilities(logits, temperature = 1) {
  const scaled = Float64Array.from(logits, (value) => value / temperature);
  const total = logSumExp(scaled);
  return scaled.map((value) => Math.exp(value - total));
}

/** Draw a token: the first whose running sum passes `number`, in [0, 1). */
export function drawn(p, number) {
  let sum = 0;
  for (let token = 0; token < p.length; token++) {
    sum += p[token];
    if (number < sum) return token;
  }
  return p.length - 1;
}

/**
 * Show the ten likeliest tokens, and, where something is cut, how likely each was before.
 * @param {Float32Array} now logits (V) @param {Float32Array} before
 * @param {number} temperature
 * @param {function(number): {shown: string, said: string}} name
 * @param {function(number): void} add called with the token that is pressed
 */
export function drawBars(now, before, temperature, name, add) {
  const p = probabilities(now, temperature);
  const was = now === before ? p : probabilities(before, temperature);
  const top = likeliest(p, 10);
  const names = top.map(name);
  const most = Math.max(p[top[0]], ...top.map((token) => was[token]));
  at("bars").classList.toggle("changed", now !== before);
  at("bars").replaceChildren(...top.map((token, i) => {
    const track = make("span", { class: "track", "aria-hidden": "true" });
    track.style.setProperty("--share", String(p[token] / most));
    track.style.setProperty("--was", String(was[token] / most));
    const told = now === before ? percent(p[token]) : `${percent(p[token])}, before ${percent(was[token])}`;
    return make("li", {}, make("button", { type: "button", title: "Add it to the text", click: () => add(token) },
      make("bdi", {}, names[i].shown), track, make("span", { class: "told" }, told)));
  }));
  return { p, was, top, names };
}
