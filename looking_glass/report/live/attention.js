/** Attention, as lines over the words and as a matrix whose edges can be cut. */
import { at, focused, make, percent } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
const SHEET = 860; // px that are surely there on a printed sheet

/**
 * Attention between words: a row is that of the word's last token, summed over each word's tokens.
 * @param {Float32Array[]} patterns a block each: (nh, T, T)
 * @param {{start: number, stop: number}[]} words
 * @param {number} block
 * @param {?number} head null: the mean of all
 * @returns {number[][]} (W, W)
 */
export function wordPattern(patterns, words, T, block, head) {
  const pattern = patterns[block];
  const heads = head === null ? Array.from({ length: pattern.length / (T * T) }, (_, i) => i) : [head];
  return words.map((row) => words.map((key) => {
    let sum = 0;
    for (const one of heads) {
      const from = (one * T + row.stop - 1) * T;
      for (let k = key.start; k < key.stop; k++) sum += pattern[from + k];
    }
    return sum / heads.length;
  }));
}

/**
 * Draw the lines from one word to those that it looks at, over the buttons of the words.
 * @param {number[]} row shares (W)
 * @param {number} from
 * @param {HTMLElement[]} buttons
 */
export function drawArcs(row, from, buttons) {
  const svg = at("arcs");
  const strip = at("strip").getBoundingClientRect();
  const middles = buttons.map((button) => {
    const box = button.getBoundingClientRect();
    return box.left + box.width / 2 - strip.left;
  });
  const height = globalThis.innerWidth > 900 ? 180 : 104;
  svg.setAttribute("width", String(strip.width));
  fit(at("strip"), buttons.at(-1).getBoundingClientRect().right - strip.left);
  svg.setAttribute("height", String(height));
  const far = Math.max(1, ...middles.map((x) => Math.abs(middles[from] - x)));
  const arcs = row.slice(0, from + 1).map((share, to) => {
    const path = document.createElementNS(SVG, "path");
    const [a, b] = [middles[from], middles[to]];
    const top = height - 12 - (height - 20) * (Math.abs(a - b) / far);
    path.setAttribute("d", from === to
      ? `M${a - 5},${height} C${a - 18},${height - 30} ${a + 18},${height - 30} ${a + 5},${height}`
      : `M${a},${height} C${a},${top} ${b},${top} ${b},${height}`);
    path.setAttribute("stroke-width", String(Math.max(0.4, 14 * share)));
    path.setAttribute("stroke-opacity", String(0.25 + 0.65 * Math.min(1, 2 * share)));
    return path;
  });
  svg.replaceChildren(...arcs);
}

/** Tell the printed page by how much to shrink what is wider than a sheet: see live.css. */
function fit(element, width) {
  element.style.setProperty("--fit", String(Math.min(1, SHEET / width).toFixed(3)));
}

/**
 * Show the matrix: a grid that is walked with the arrow keys, each cell pressed to cut its edge.
 * @param {number[][]} pattern (W, W)
 * @param {{text: string}[]} words
 * @param {function(number, number): boolean} isCut of a row and a column
 * @param {function(number, number): void} toggle
 */
export function drawMatrix(pattern, words, isCut, toggle) {
  const table = at("matrix");
  const held = focused(table)?.dataset.at;
  const names = words.map((word) => word.text);
  const head = make("tr", {}, make("td", {}), ...names.map((name) =>
    make("th", { scope: "col" }, make("bdi", {}, name))));
  const rows = names.map((name, row) => make("tr", {}, make("th", { scope: "row" }, make("bdi", {}, name)),
    ...names.map((other, column) => {
      if (column > row) return make("td", { class: "later" });
      const cut = isCut(row, column);
      const cell = make("td", {
        "data-at": `${row} ${column}`,
        tabindex: "-1",
        class: cut ? "cut" : "edge",
        "aria-label": `${name} to ${other}: ${percent(pattern[row][column])}${cut ? ", cut" : ""}`,
        title: `${name} → ${other}: ${percent(pattern[row][column])}`,
        click: () => toggle(row, column),
      }, cut ? "×" : (100 * pattern[row][column]).toFixed(0));
      cell.style.setProperty("--share", String(pattern[row][column]));
      return cell;
    })));
  table.replaceChildren(make("thead", {}, head), make("tbody", {}, ...rows));
  fit(table, table.offsetWidth);
  const focus = table.querySelector(`[data-at="${held ?? "0 0"}"]`) ?? table.querySelector("[data-at]");
  if (focus) focus.tabIndex = 0;
  if (held) focus?.focus();
}

/** Let the arrow keys walk over the matrix, and Enter or space press a cell. */
export function walkMatrix() {
  const table = at("matrix");
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  table.addEventListener("keydown", (event) => {
    const place = event.target.dataset?.at?.split(" ").map(Number);
    if (!place) return;
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      event.target.click();
    } else if (event.key in moves) {
      event.preventDefault();
      const [down, right] = moves[event.key];
      const next = table.querySelector(`[data-at="${place[0] + down} ${place[1] + right}"]`);
      if (!next) return;
      event.target.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    }
  });
}
