/** What the report's page computes by itself: rows, places, texts. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { lastAbove } from "../../../looking_glass/report/live/contents.js";
import { rowOf } from "../../../looking_glass/report/live/explorer.js";
import { apart } from "../../../looking_glass/report/live/passages.js";
import { letScroll } from "../../../looking_glass/report/live/scrollers.js";
import { told } from "../../../looking_glass/report/live/stepper.js";
import { placeOf } from "../../../looking_glass/report/live/terms.js";

test("what is being read is the last that begins above the line", () => {
  assert.equal(lastAbove([-500, -20, 90, 400], 140), 2);
  assert.equal(lastAbove([141, 400], 140), null);
  assert.equal(lastAbove([], 140), null);
});

test("a row is that of one head, or the mean of all", () => {
  const maps = [[[1, 0], [0.5, 0.5]], [[1, 0], [0.25, 0.75]]];
  assert.deepEqual(rowOf(maps, 1, 1), [0.25, 0.75]);
  assert.deepEqual(rowOf(maps, 1, null), [0.375, 0.625]);
});

test("a word that runs from right to left is set apart, and no other", () => {
  assert.equal(apart("نعم"), "\u2068نعم\u2069");
  assert.equal(apart("yes"), "yes");
});

test("only what is wider than its place is a stop for the Tab key", () => {
  let resized;
  globalThis.ResizeObserver = class {
    constructor(told) { resized = told; }
    observe() {}
  };
  const root = { scrollWidth: 900, clientWidth: 400, tabIndex: 0, removeAttribute() { this.tabIndex = null; } };
  letScroll(root);
  assert.equal(root.tabIndex, 0);
  root.clientWidth = 900;
  resized();
  assert.equal(root.tabIndex, null);
  root.clientWidth = 899;
  resized();
  assert.equal(root.tabIndex, 0);
});

test("a step tells how much of it is right", () => {
  const reading = { steps: [0, 20], said: [["a", "b"], ["I", "b"]], right: [[0, 0], [1, 0]], loss: [9, 1.5] };
  assert.equal(told(reading, 1), "step 20: 1 of 2 tokens right, loss 1.500");
});

test("what is told stands under its word, in sight", () => {
  const [box, view] = [{ width: 300, height: 80 }, { width: 390, height: 800 }];
  assert.deepEqual(placeOf({ left: 20, top: 100, bottom: 120 }, box, view), { left: 20, top: 126 });
  assert.deepEqual(placeOf({ left: 350, top: 100, bottom: 120 }, box, view), { left: 84, top: 126 });
  assert.deepEqual(placeOf({ left: -9, top: 760, bottom: 780 }, box, view), { left: 6, top: 674 });
});

test("a page begins what it has, and no more", async () => {
  const asked = [];
  const root = { classList: new Set(["no-script"]) };
  root.classList.remove = root.classList.delete;
  globalThis.document = {
    documentElement: root,
    getElementById: () => ({ textContent: "{}" }),
    querySelectorAll: (selector) => { asked.push(selector); return []; },
  };
  await import("../../../looking_glass/report/live/report.js");
  assert.equal(root.classList.size, 0);
  assert.deepEqual(asked.slice(0, 2), ["nav.contents", "main"]);
});
