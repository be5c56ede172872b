// The page's side of the worker: one task at a time, the latest wins, and a cancelled run takes the worker with it.

export class Cancelled extends Error {}
export class Refused extends Error {}

let worker = null, number = 0, running = null;

function start() {
  worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }) => {
    if (data.number !== running?.number) return;
    if ("progress" in data) return running.report(data.progress, data.share);
    const { resolve, reject } = running;
    running = null;
    if (data.failure) console.error(data.failure);
    if ("refusal" in data) reject(new Refused(data.refusal));
    else resolve(data.result);
  };
  worker.onerror = (event) => {
    event.preventDefault();
    end(new Refused("This browser could not do it."));
  };
}

function end(error) {
  worker?.terminate();
  worker = null;
  const reject = running?.reject;
  running = null;
  reject?.(error);
}

/** The answer of a task, "look" or "upsample"; rejects with `Refused`, or with `Cancelled` by a later task. */
export function ask(task, choice, report = () => {}) {
  running?.reject(new Cancelled());
  if (!worker) start();
  number += 1;
  return new Promise((resolve, reject) => {
    running = { number, resolve, reject, report };
    worker.postMessage({ number, task, choice });
  });
}

export const cancel = () => end(new Cancelled());
