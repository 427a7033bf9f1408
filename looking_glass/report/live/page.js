/** The page: what is typed and pressed goes to the model's thread; what it answers is shown. */
import { Client, newest } from "./client.js";
import { at, focused, make, percent, signed } from "./dom.js";
import { drawArcs, drawMatrix, walkMatrix, wordPattern } from "./attention.js";
import { drawBars, drawn, probabilities } from "./next_token.js";
import { likeliest } from "./reading.js";
import { showHeat, showLens, showMattered } from "./views.js";
import { showLesson } from "./lesson.js";
import { named } from "./words.js";

const about = JSON.parse(at("about").textContent);
const client = new Client(at("worker").textContent);
const history = [];
// Which word's row is shown (null: the last), and what is taken away, by the words' numbers.
const state = { row: null, words: new Set(), edges: new Map(), seen: null, lost: null, worth: null };
let [writing, exact] = [null, null];

const text = () => at("text").value;
const temperature = () => Number(at("temperature").value);
const block = () => Number(at("block").value);
const head = () => (at("head").value === "mean" ? null : Number(at("head").value));
let texts = []; // of every token
const name = (token) => named(texts, token);

function cuts() {
  const spans = state.seen?.words ?? [];
  const span = (index) => [spans[index].start, spans[index].stop];
  return {
    words: [...state.words].map(span),
    edges: [...state.edges.values()].map(({ row, column, block: b, head: h }) =>
      ({ rows: span(row), keys: span(column), block: b, head: h })),
  };
}

/** Ask what the model makes of the text, and show all that follows from it at once. */
const look = newest(async () => {
  const seen = await client.ask("look", { text: text(), cuts: cuts() });
  state.seen = seen;
  at("dropped").hidden = !seen.dropped;
  at("dropped").textContent = `The model holds ${about.config.block_size} tokens: the first ${seen.dropped} are out of its sight.`;
  at("restore").disabled = !(state.words.size + state.edges.size);
  showNext();
  showWords();
});

function showNext() {
  const { now, before, words } = state.seen;
  if (!words.length) {
    at("bars").replaceChildren();
    at("choice").textContent = "Type a word to begin.";
    return;
  }
  const { p, was, top, names } = drawBars(now, before, temperature(), name, add);
  const first = likeliest(before, 1)[0];
  const old = name(first);
  if (now === before) {
    at("choice").replaceChildren("It would say ", make("strong", {}, make("bdi", {}, names[0].said)), ` (${percent(p[top[0]])})`);
    return;
  }
  const change = Math.log(p[first] / was[first]);
  at("choice").replaceChildren(
    top[0] === first ? "Still " : "Now ", make("strong", {}, make("bdi", {}, names[0].said)), ` (${percent(p[top[0]])}). `,
    make("bdi", {}, `“${old.said}”`), ` ${percent(was[first])} → ${percent(p[first])}: ${change < 0 ? "loses" : "gains"} ${Math.abs(change).toFixed(2)} nats`,
  );
}

function showWords() {
  const { words, patterns, T, choice } = state.seen;
  if (!words.length) {
    for (const id of ["words", "arcs", "matrix", "mattered", "lens"]) at(id).replaceChildren();
    at("looked").textContent = "";
    return;
  }
  const row = Math.min(state.row ?? words.length - 1, words.length - 1);
  const held = focused(at("words"))?.dataset.key;
  at("words").replaceChildren(...words.map((word, index) => make("li", { class: state.words.has(index) ? "gone" : "" },
    make("button", { type: "button", class: "word", "data-key": `w${index}`, "aria-pressed": String(index === row), click: () => { state.row = index; showWords(); } }, make("bdi", {}, word.text)),
    make("button", { type: "button", class: "take", "data-key": `t${index}`, "aria-pressed": String(state.words.has(index)), "aria-label": `Take away ${word.text}`, title: "Take away", click: () => take(index) }, "×"))));
  if (held) at("words").querySelector(`[data-key="${held}"]`)?.focus();
  const pattern = wordPattern(patterns, words, T, block(), head());
  if (!held) reveal(row);
  drawArcs(pattern[row], row, [...at("words").querySelectorAll(".word")]);
  const best = pattern[row].indexOf(Math.max(...pattern[row]));
  at("looked").textContent = `From “${words[row].text}” most goes to “${words[best].text}”: ${percent(pattern[row][best])}.`;
  drawMatrix(pattern, words, (q, k) => state.edges.has(edgeKey(q, k)), cutEdge);
  at("mattered-choice").textContent = name(choice).said;
  showMattered(words, pattern.at(-1), state.lost, state.worth);
}

/** Where the words are wider than the screen: bring the one that looks into sight. */
function reveal(row) {
  const scroll = at("strip").parentElement;
  const one = at("words").children[row];
  scroll.scrollLeft = one.offsetLeft + one.offsetWidth - scroll.clientWidth + 8;
}

const edgeKey = (row, column) => `${row} ${column}`;

function cutEdge(row, column) {
  const key = edgeKey(row, column);
  const scope = at("scope").value;
  if (!state.edges.delete(key)) {
    state.edges.set(key, { row, column, block: scope === "all" ? null : block(), head: scope === "head" ? head() : null });
  }
  look();
}

function take(index) {
  if (!state.words.delete(index)) state.words.add(index);
  look();
}

let slow = null; // what is being computed of the text as it was
function ask(kind, now) {
  slow = client.ask(kind, { text: now });
  return slow;
}

/** What takes longer comes when typing rests, and ends when it goes on. */
const rested = newest(async () => {
  const now = text();
  if (!state.seen?.words.length) return;
  let lost;
  let rows;
  try {
    [lost, rows] = [await ask("causes", now), await ask("lens", now)];
  } catch (error) {
    if (error.message === "stopped") return;
    throw error;
  }
  state.lost = lost;
  showLens(rows, `“${name(state.seen.choice).said}”`, name);
  showWords();
});

let rest;
function typed() {
  exact?.stop();
  slow?.stop();
  Object.assign(state, { row: null, lost: null, worth: null });
  state.words.clear();
  state.edges.clear();
  at("shapley-told").textContent = "";
  clearTimeout(rest);
  return look().then(() => { rest = setTimeout(rested, 250); });
}

function add(token) {
  history.push(text());
  at("text").value = text() + texts[token];
  return typed();
}

async function draw() {
  if (!state.seen?.words.length) return;
  await add(drawn(probabilities(state.seen.now, temperature()), Math.random()));
}

function writeOn(on) {
  clearInterval(writing);
  writing = on ? setInterval(draw, 300) : null;
  at("write").setAttribute("aria-pressed", String(on));
  at("write").textContent = on ? "Stop writing" : "Write on";
}

async function computeExact() {
  if (exact) return exact.stop();
  const { words } = state.seen;
  if (words.length < 1 || words.length > about.settings.most_words) {
    at("shapley-told").textContent = `One to ${about.settings.most_words} words are needed, there are ${words.length}.`;
    return undefined;
  }
  const [progress, told] = [at("shapley-progress"), at("shapley-told")];
  const sets = 2 ** words.length;
  progress.hidden = false;
  progress.value = 0;
  at("shapley").textContent = "Stop";
  told.textContent = `All ${sets.toLocaleString("en")} sets of the words …`;
  exact = client.ask("shapley", { text: text() }, ({ done, all }) => { progress.value = done / all; });
  try {
    const { worth, none, all } = await exact;
    state.worth = worth;
    told.textContent = `${sets.toLocaleString("en")} sets. All words together are worth ${signed(all - none)} nats.`;
    showWords();
  } catch (error) {
    told.textContent = error.message === "stopped" ? "Stopped." : error.message;
  } finally {
    exact = null;
    progress.hidden = true;
    at("shapley").textContent = "Compute the exact worth";
  }
  return undefined;
}

const score = newest(async () => {
  const words = await client.ask("surprisal", { text: at("scored").value.slice(0, about.settings.longest) });
  showHeat(words, about.settings.words === "spaces");
});

function listen() {
  walkMatrix();
  const undo = () => {
    if (history.length) at("text").value = history.pop();
    typed();
  };
  at("text").addEventListener("input", () => { history.length = 0; typed(); });
  at("temperature").addEventListener("input", () => {
    at("temperature-told").textContent = temperature().toFixed(1);
    showNext();
  });
  for (const id of ["block", "head"]) at(id).addEventListener("change", showWords);
  at("add").addEventListener("click", () => add(likeliest(state.seen.now, 1)[0]));
  at("draw").addEventListener("click", draw);
  at("write").addEventListener("click", () => writeOn(!writing));
  at("undo").addEventListener("click", undo);
  at("restore").addEventListener("click", () => { state.words.clear(); state.edges.clear(); look(); });
  at("shapley").addEventListener("click", computeExact);
  at("scored").addEventListener("input", score);
  at("matrix-part").addEventListener("toggle", showWords);
  globalThis.addEventListener("resize", () => { // a printed page is the one on the screen, made smaller
    if (state.seen && !matchMedia("print").matches) showWords();
  });
}

async function begin() {
  const load = { ...about, body: at("weights").textContent, merges: at("merges").textContent };
  const shape = await client.ask("load", load);
  texts = shape.texts;
  for (const id of ["weights", "merges"]) at(id).remove(); // the worker has them now
  at("block").replaceChildren(...Array.from({ length: shape.L }, (_, i) => make("option", { value: String(i) }, `${i + 1}`)));
  at("block").value = String(shape.L - 1);
  at("head").replaceChildren(make("option", { value: "mean" }, "mean of all"),
    ...Array.from({ length: shape.nh }, (_, i) => make("option", { value: String(i) }, `${i + 1}`)));
  listen();
  await typed();
  at("status").textContent = `Ready: ${shape.L} blocks of ${shape.nh} heads, computing here.`;
  await score();
  await showLesson(client, about.settings, shape, name);
  document.documentElement.dataset.kernel = shape.fast ? "WebAssembly" : "JavaScript";
  document.documentElement.dataset.ready = "yes";
}

// For the console: await lookingGlass.ask("logits", {tokens: [15496]})
Object.assign(globalThis, { lookingGlass: client });
begin().catch((error) => {
  at("status").textContent = `The model cannot run here: ${error.message}`;
});
