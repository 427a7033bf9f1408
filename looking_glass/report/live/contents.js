/** The contents beside the text: where the reader is, and on a phone only when asked for. */

const NARROW = "screen and (max-width: 60rem)"; // as in report.css
const READ = 140; // pixels from the top of the window: what begins above is being read

/** The last of some places that begins above a line, or null. @param {number[]} tops in order */
export function lastAbove(tops, line) {
  const found = tops.findLastIndex((top) => top <= line);
  return found < 0 ? null : found;
}

/** @param {any} nav the element */
export function followContents(nav) {
  const details = nav.querySelector("details");
  const here = nav.querySelector(".here");
  const links = [...nav.querySelectorAll("a")];
  const headings = links.map((link) => document.getElementById(link.hash.slice(1)));
  const narrow = matchMedia(NARROW);
  const fold = () => { details.open = !narrow.matches; };
  let waiting = false;

  function follow() {
    waiting = false;
    const place = lastAbove(headings.map((heading) => heading.getBoundingClientRect().top), READ);
    links.forEach((link, index) => {
      if (index === place) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    });
    nav.querySelectorAll("ol > li").forEach((part) =>
      part.classList.toggle("read", place !== null && part.contains(links[place])));
    const part = place === null ? null : links[place].closest("ol > li").querySelector("a");
    here.textContent = part ? part.textContent : "";
    if (place !== null && !narrow.matches) keepInSight(links[place]);
  }
  function keepInSight(link) {
    const [box, place] = [nav.getBoundingClientRect(), link.getBoundingClientRect()];
    if (place.bottom > box.bottom) nav.scrollTop += place.bottom - box.bottom + 24;
    if (place.top < box.top) nav.scrollTop -= box.top - place.top + 24;
  }
  function soon() {
    if (!waiting) requestAnimationFrame(follow);
    waiting = true;
  }

  narrow.addEventListener("change", fold);
  nav.addEventListener("click", (event) => {
    if (narrow.matches && event.target.closest("a")) details.open = false;
  });
  addEventListener("scroll", soon, { passive: true });
  addEventListener("resize", soon);
  fold();
  follow();
}
