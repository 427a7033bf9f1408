/** Inversion: the sentence as it appears, step by step. */
import { make } from "./dom.js";
import { shown } from "./words.js";

const PAUSE = 400; // milliseconds from one step to the next

/** How far a reading is at one of its steps, in a sentence. */
export function told({ steps, right, loss }, step) {
  const n = right[step].reduce((a, b) => a + b, 0);
  return `step ${steps[step]}: ${n} of ${right[step].length} tokens right, loss ${loss[step].toFixed(3)}`;
}

/**
 * @param {any} root the element
 * @param {{steps: number[], said: string[][], right: number[][], loss: number[]}[]} readings
 */
export function playInversion(root, readings) {
  const reading = root.querySelector("select");
  const slider = root.querySelector("input");
  const play = root.querySelector("button");
  let timer = null;

  function show() {
    const one = readings[Number(reading.value)];
    const { said, right } = one;
    slider.max = String(said.length - 1);
    const step = Math.min(Number(slider.value), said.length - 1);
    root.querySelector(".line").replaceChildren(...said[step].map((text, i) => (right[step][i] === 1
      ? make("span", { class: "right", title: "right" }, shown(text))
      : make("span", { class: "wrong", title: "not yet" }, shown(text)))));
    root.querySelector("output").textContent = told(one, step);
  }
  function stop() {
    clearInterval(timer);
    timer = null;
    play.textContent = "Play";
  }
  function go() {
    slider.value = String(Number(slider.value) + 1);
    show();
    if (slider.value === slider.max) stop();
  }
  function start() {
    if (slider.value === slider.max) slider.value = "0";
    play.textContent = "Stop";
    timer = setInterval(go, PAUSE);
    show();
  }

  play.addEventListener("click", () => (timer ? stop() : start()));
  slider.addEventListener("input", () => { stop(); show(); });
  reading.addEventListener("change", () => { stop(); slider.value = "0"; show(); });
  slider.value = "0";
  show();
}
