/** Words of the field: what one means, shown beside it when it is pointed at, reached or tapped. */
import { make } from "./dom.js";

const LINGER = 150; // milliseconds: long enough to move from the word to what is told
const GAP = 6; // pixels

/**
 * Where a box goes: under the word, or above it where the window ends; never beyond its sides.
 * @param {{left: number, top: number, bottom: number}} word
 * @param {{width: number, height: number}} box
 * @param {{width: number, height: number}} view
 * @returns {{left: number, top: number}} pixels
 */
export function placeOf(word, box, view) {
  const left = Math.max(GAP, Math.min(word.left, view.width - box.width - GAP));
  const under = word.bottom + GAP;
  return { left, top: under + box.height > view.height ? Math.max(GAP, word.top - box.height - GAP) : under };
}

/** @param {any} root the element in which words are marked, and told in a list at the end */
export function tellTerms(root) {
  const tip = make("div", { class: "tip", role: "tooltip", hidden: true });
  let [shown, timer, tapped] = [null, null, false];
  root.append(tip);

  function show(term) {
    clearTimeout(timer);
    shown = term;
    const entry = document.getElementById(term.hash.slice(1));
    tip.replaceChildren(make("strong", {}, entry.textContent), " ", entry.nextElementSibling.textContent);
    tip.hidden = false;
    follow();
  }
  function follow() {
    const { clientWidth: width, clientHeight: height } = document.documentElement;
    const { left, top } = placeOf(shown.getClientRects()[0], tip.getBoundingClientRect(), { width, height });
    tip.style.setProperty("left", `${left}px`);
    tip.style.setProperty("top", `${top}px`);
  }
  function hide() {
    clearTimeout(timer);
    tip.hidden = true;
    shown = null;
  }
  function hideSoon() {
    clearTimeout(timer);
    timer = setTimeout(hide, LINGER);
  }

  root.querySelectorAll("a.term").forEach((term) => {
    term.addEventListener("mouseenter", () => show(term));
    term.addEventListener("mouseleave", () => { if (shown === term) hideSoon(); });
    term.addEventListener("focus", () => show(term));
    term.addEventListener("blur", hide);
    term.addEventListener("pointerdown", (event) => { tapped = event.pointerType !== "mouse"; });
    term.addEventListener("click", (event) => {
      if (tapped) event.preventDefault(); // a tap tells; a click or Enter goes to the list
      if (tapped) show(term);
      else hide();
    });
  });
  tip.addEventListener("mouseenter", () => clearTimeout(timer));
  tip.addEventListener("mouseleave", hideSoon);
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("pointerdown", (/** @type {any} */ event) => {
    if (shown && !tip.contains(event.target) && !event.target.closest("a.term")) hide();
  });
  addEventListener("scroll", () => { if (shown) follow(); }, { passive: true });
}
