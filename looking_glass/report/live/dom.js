/** Elements made from text alone: nothing that is typed or learned can become markup. */

/** @param {string} id @returns {any} an element of the page, of whichever kind it is there */
export const at = (id) => document.getElementById(id);

/**
 * Make an element.
 * @param {string} tag
 * @param {Object<string, any>} [attributes] `class`, `title`, … as attributes; functions as listeners
 * @param {...(Node|string)} content
 * @returns {any} of the tag's own kind
 */
export function make(tag, attributes = {}, ...content) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== false && value !== undefined) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...content);
  return element;
}

/** What has the focus inside an element, or null. @param {Element} within @returns {any} */
export const focused = (within) =>
  within.contains(document.activeElement) ? document.activeElement : null;

export const percent = (p) => (p > 0 && p < 0.0001 ? "under 0.01%" : `${(100 * p).toFixed(p < 0.001 ? 2 : 1)}%`);
export const signed = (x, digits = 2) =>
  `${x < 0 && Number(x.toFixed(digits)) ? "−" : ""}${Math.abs(x).toFixed(digits)}`;

/** A bar of a share (-1 to 1) of its cell; below zero it has the other colour. */
export function bar(share) {
  const inner = make("span", { class: share < 0 ? "bar less" : "bar", "aria-hidden": "true" });
  inner.style.setProperty("--share", String(Math.min(1, Math.abs(share) || 0)));
  return inner;
}

/** A table's head and rows, put in the place of what it had. */
export function fill(table, caption, head, rows) {
  table.replaceChildren(
    make("caption", { class: "unseen" }, caption),
    make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
    make("tbody", {}, ...rows.map(([name, ...cells]) =>
      make("tr", {}, make("th", { scope: "row" }, name),
        ...cells.map((cell) => make("td", {}, ...[cell].flat()))))),
  );
}
