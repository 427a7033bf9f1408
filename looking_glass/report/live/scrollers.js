/** What is wider than its place: only such a thing is a stop for the Tab key. */

/** @param {HTMLElement} root */
export function letScroll(root) {
  const told = () => {
    if (root.scrollWidth > root.clientWidth) root.tabIndex = 0;
    else root.removeAttribute("tabindex");
  };
  new ResizeObserver(told).observe(root);
  told();
}
