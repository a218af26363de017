import { Worker } from "node:worker_threads";

/** A worker thread that runs a TypeScript file: Node 20 does not hand the tsx loader on to workers. */
export function startWorker(file: string, workerData: unknown): Worker {
  const bootstrap = `import("tsx/esm/api").then(({ register }) => { register(); return import(${JSON.stringify(file)}); });`;
  return new Worker(bootstrap, { eval: true, workerData });
}
