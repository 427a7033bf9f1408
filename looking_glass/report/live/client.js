/** The page's side of the model's thread. */

export class Client {
  /** @param {string} source the worker's script */
  constructor(source) {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    this.worker = new Worker(url);
    this.waiting = new Map();
    this.last = 0;
    this.worker.onmessage = ({ data }) => this.receive(data);
    this.worker.onerror = (event) => {
      for (const { reject } of this.waiting.values()) reject(new Error(event.message));
      this.waiting.clear();
    };
  }

  receive({ id, result, error, progress }) {
    const asked = this.waiting.get(id);
    if (!asked) return;
    if (progress) {
      asked.told?.(progress);
      return;
    }
    this.waiting.delete(id);
    if (error === undefined) asked.resolve(result);
    else asked.reject(new Error(error));
  }

  /**
   * Ask the model; the promise has a method `stop`.
   * @param {string} kind one of the answers in worker.js
   * @param {Object} [about] its parameters
   * @param {function({done: number, all: number, so_far: any}): void} [told] called as it goes on
   * @returns {Promise<any> & {stop?: () => void}}
   */
  ask(kind, about = {}, told = undefined) {
    const id = ++this.last;
    /** @type {Promise<any> & {stop?: () => void}} */
    const answer = new Promise((resolve, reject) => this.waiting.set(id, { resolve, reject, told }));
    this.worker.postMessage({ ...about, id, kind });
    answer.stop = () => {
      this.waiting.get(id)?.reject(new Error("stopped"));
      if (this.waiting.delete(id)) this.worker.postMessage({ kind: "stop", id });
    };
    return answer;
  }
}

/** Of questions that come faster than answers, ask the newest alone, one at a time. */
export function newest(ask) {
  let [busy, next] = [false, undefined];
  return async function put(...about) {
    next = about;
    if (busy) return;
    busy = true;
    try {
      while (next) {
        const now = next;
        next = undefined;
        await ask(...now);
      }
    } finally {
      busy = false;
    }
  };
}
