/** Passages of text: what a word costs, and which parts of a sample stand in the book. */
import { percent } from "./dom.js";

const LEFTWARD = /[\u0590-\u08ff\ufb1d-\ufefc]/;

/** A word for a sentence of ours: set apart from the signs around it where it runs from right to left. */
export const apart = (text) => (LEFTWARD.test(text) ? `\u2068${text}\u2069` : text);

/** Tell what a word costs when it is pointed at. @param {any} root the element */
export function tellSurprisal(root) {
  const note = root.querySelector(".note");
  root.querySelectorAll(".heat").forEach((word) => ["mouseenter", "focus", "click"].forEach((event) =>
    word.addEventListener(event, () => { note.textContent = word.title; })));
}

/** Mark what was copied in runs of at least as many tokens as the reader asks for. @param {any} root the element */
export function markCopies(root) {
  const slider = root.querySelector("input");
  const tokens = [...root.querySelectorAll("[data-run]")];
  function show() {
    const least = Number(slider.value);
    const copied = tokens.filter((token) =>
      token.classList.toggle("copied", Number(token.dataset.run) >= least));
    root.querySelector("output").textContent =
      `runs of ${least} tokens or more: ${percent(copied.length / tokens.length)} of what was sampled`;
  }
  slider.addEventListener("input", show);
  show();
}
