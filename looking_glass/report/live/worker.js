/**
 * The model's own thread: it unpacks the weights, and answers what the page asks.
 *
 * A question is `{id, kind, …}`; an answer `{id, result}`, before it any number of `{id, progress}`.
 * Long answers make room for short ones between two pieces of work, so that typing is never waited
 * for; `{kind: "stop", id}` ends one.
 */
import { knockOuts, runWithout } from "./causes.js";
import { logSumExp } from "./arithmetic.js";
import { openKernel } from "./kernel.js";
import { Model } from "./model.js";
import { lens, likeliest, wordSurprisals } from "./reading.js";
import { frequentWords, searchWords } from "./search.js";
import { setValues, shapleyValues } from "./shapley.js";
import { Tokenizer, pairsOf } from "./tokenizer.js";
import { bytesOf, inflate, tensorsOf } from "./unpack.js";
import { wordsOf } from "./words.js";

const PIECE = 12; // ms of work between two looks at the other questions
/** @type {Model} */
let model;
/** @type {Tokenizer} */
let tokenizer;
/** @type {{words: "spaces"|"segments"|"tokens", language: string, before: string}} */
let settings;
/** @type {import("./model.js").Trace|undefined} */
let trace;
const stopped = new Set();

/** Wait until other questions were looked at; throw when this one is no longer asked. */
function stepper(id) {
  let last = performance.now();
  return async (done, all, so_far) => {
    if (performance.now() - last < PIECE) return;
    self.postMessage({ id, progress: { done, all, so_far } });
    await new Promise((resolve) => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => { channel.port1.close(); resolve(); };
      channel.port2.postMessage(null);
    });
    if (stopped.delete(id)) throw new Error("stopped");
    last = performance.now();
  };
}

/** The tokens of a text that the block holds: its end, where it is longer. */
function tokensOf(text) {
  const tokens = tokenizer.encodePrompt(text);
  return { tokens: tokens.slice(-model.blockSize), dropped: Math.max(0, tokens.length - model.blockSize) };
}

const words = (tokens) => wordsOf(tokenizer, tokens, settings.words, settings.language);
/** Run a text, or take what is known of it. */
function traceOf(tokens) {
  if (trace?.tokens.join() !== tokens.join()) {
    trace = model.run(tokens, { known: trace });
    trace.logits = model.lastLogits(trace);
  }
  return trace;
}

const answers = {
  async load({ head, body, merges, config, settings: given }) {
    const pairs = pairsOf(await inflate(bytesOf(merges)));
    tokenizer = new Tokenizer(pairs);
    const matrices = head.tensors.map((tensor) => tensor.shape).filter((shape) => shape.length > 1);
    const numbers = matrices.reduce((sum, [rows, width]) => sum + rows * width, 0);
    const kernel = await openKernel(numbers, Math.max(...matrices.flat()));
    model = new Model(config, tensorsOf(head, await inflate(bytesOf(body)), kernel.floats), kernel.affine);
    settings = given;
    const texts = tokenizer.pieces.map((_, token) => tokenizer.decode([token]));
    return { block: model.blockSize, L: model.L, nh: model.nh, V: model.V, texts, fast: kernel.fast };
  },

  /** All that is seen at once: words, patterns, the next token, and what cuts change of it. */
  look({ text, cuts }) {
    const { tokens, dropped } = tokensOf(text);
    if (!tokens.length) return { words: [], dropped };
    const clean = traceOf(tokens);
    const cut = cuts && (cuts.words.length || cuts.edges.length);
    const now = cut ? runWithout(model, clean, cuts) : clean;
    const { logits } = clean;
    return {
      dropped,
      words: words(tokens),
      T: tokens.length,
      patterns: now.patterns,
      before: logits,
      now: cut ? model.lastLogits(now) : logits,
      choice: likeliest(logits, 1)[0],
    };
  },

  lens({ id, text }) {
    const clean = traceOf(tokensOf(text).tokens);
    const choice = likeliest(clean.logits, 1)[0];
    return lens(model, clean, choice, stepper(id));
  },

  causes({ id, text }) {
    const { tokens } = tokensOf(text);
    const clean = traceOf(tokens);
    return knockOuts(model, clean, words(tokens), likeliest(clean.logits, 1)[0], stepper(id));
  },

  async shapley({ id, text, target }) {
    const { tokens } = tokensOf(text);
    const choice = target ?? likeliest(traceOf(tokens).logits, 1)[0];
    const values = await setValues(model, tokens, words(tokens), choice, stepper(id));
    return { worth: shapleyValues(values), none: values[0], all: values.at(-1), choice };
  },

  surprisal({ id, text }) {
    const before = tokenizer.encodePrompt(settings.before);
    const { words: kind, language } = settings;
    return wordSurprisals(model, tokenizer, text, before, kind, language, stepper(id));
  },

  async search({ id, start, target, candidates, passes }) {
    const step = stepper(id);
    const found = await searchWords(
      model, tokenizer.encode(start), frequentWords(tokenizer, candidates), target, passes,
      (done, all, { tokens, p }) => step(done, all, { text: tokenizer.decode(tokens), p }),
    );
    return { ...found, text: tokenizer.decode(found.tokens) };
  },

  /** For the console and the tests: any tokens' logits, and the tokens of any text. */
  logits: ({ tokens }) => model.lastLogits(model.run(tokens)),
  encode: ({ text }) => tokenizer.encode(text),
  encodeAll: ({ texts }) => texts.map((text) => tokenizer.encode(text)),
  chance: ({ text, target }) => {
    const { logits } = traceOf(tokensOf(text).tokens);
    return { p: Math.exp(logits[target] - logSumExp(logits)), top: likeliest(logits, 1)[0] };
  },
};

self.onmessage = async ({ data }) => {
  if (data.kind === "stop") {
    stopped.add(data.id);
    return;
  }
  try {
    self.postMessage({ id: data.id, result: await answers[data.kind](data) });
  } catch (error) {
    self.postMessage({ id: data.id, error: error.message });
  }
};
