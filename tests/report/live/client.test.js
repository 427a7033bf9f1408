/** Questions to the model's thread: who gets which answer, and what is no longer asked. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, newest } from "../../../looking_glass/report/live/client.js";

/** A thread that keeps what it is told, and answers when the test says so. */
class Thread {
  constructor() { this.told = []; }
  postMessage(message) { this.told.push(message); }
}

function client(t) {
  const before = globalThis.Worker;
  globalThis.Worker = Thread;
  t.after(() => { globalThis.Worker = before; });
  const made = new Client("");
  return [made, made.worker];
}

test("answers go to their questions, in whatever order they come", async (t) => {
  const [asks, thread] = client(t);
  const [one, two] = [asks.ask("a", { x: 1 }), asks.ask("b")];
  assert.deepEqual(thread.told, [{ x: 1, id: 1, kind: "a" }, { id: 2, kind: "b" }]);
  thread.onmessage({ data: { id: 2, result: "second" } });
  thread.onmessage({ data: { id: 1, error: "no" } });
  assert.equal(await two, "second");
  await assert.rejects(one, /no/);
  thread.onmessage({ data: { id: 1, result: "late" } }); // nobody waits any more
});

test("progress is told until the answer comes", async (t) => {
  const [asks, thread] = client(t);
  const told = [];
  const answer = asks.ask("a", {}, (progress) => told.push(progress.done));
  for (const done of [1, 2]) thread.onmessage({ data: { id: 1, progress: { done, all: 3 } } });
  thread.onmessage({ data: { id: 1, result: 5 } });
  assert.equal(await answer, 5);
  assert.deepEqual(told, [1, 2]);
});

test("a question that is stopped is told to the thread once, and fails", async (t) => {
  const [asks, thread] = client(t);
  const answer = asks.ask("a");
  answer.stop();
  answer.stop();
  await assert.rejects(answer, /stopped/);
  assert.deepEqual(thread.told.slice(1), [{ kind: "stop", id: 1 }]);
});

test("when the thread fails, so does all that waits", async (t) => {
  const [asks, thread] = client(t);
  const waiting = [asks.ask("a"), asks.ask("b")];
  thread.onerror({ message: "broken" });
  for (const one of waiting) await assert.rejects(one, /broken/);
});

test("of questions that come too fast the newest alone is asked, one at a time", async () => {
  const asked = [];
  const ends = [];
  const put = newest((what) => {
    asked.push(what);
    return new Promise((resolve) => ends.push(resolve));
  });
  const all = put(1);
  put(2);
  put(3);
  assert.deepEqual(asked, [1]);
  ends[0]();
  await new Promise(setImmediate);
  assert.deepEqual(asked, [1, 3]);
  ends[1]();
  await all;
  put(4);
  assert.deepEqual(asked, [1, 3, 4]);
});
