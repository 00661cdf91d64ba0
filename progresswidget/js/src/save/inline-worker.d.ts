/** What `scripts/inline-worker.mjs` makes of a worker. */
declare module '*?inline-worker' {
  export function startWorker(): Worker;
  /** Run the worker's code here; `port` is what it takes for its `self`. */
  export function runHere(port: object): void;
}
