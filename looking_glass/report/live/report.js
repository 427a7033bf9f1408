/** The report's page: what a reader can try on it. All data is in the page. */
import { at } from "./dom.js";
import { followContents } from "./contents.js";
import { explore } from "./explorer.js";
import { markCopies, tellSurprisal } from "./passages.js";
import { letScroll } from "./scrollers.js";
import { playInversion } from "./stepper.js";
import { tellTerms } from "./terms.js";

const data = JSON.parse(at("page-data").textContent);
const each = (selector, begin) => document.querySelectorAll(selector).forEach((root) => begin(root));

document.documentElement.classList.remove("no-script");
each("nav.contents", followContents);
each("main", tellTerms);
each(".explorer", (root) => explore(root, data.sentences[Number(root.dataset.sentence)]));
each(".stepper", (root) => playInversion(root, data.inversion));
each(".surprisals", tellSurprisal);
each(".copies", markCopies);
each(".wide", letScroll);

/** The page is there at once, its figures one after the other: those not yet in sight, later. */
function load(images) {
  if (!images.length) return;
  images[0].loading = "eager";
  setTimeout(() => load(images.slice(1)), 50);
}
load([...document.querySelectorAll("figure img")]);
