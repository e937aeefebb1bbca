// Packages that few processes use: each worker would hold megabytes of code that it never runs.

import { createRequire } from 'node:module';

const load = createRequire(import.meta.url);

/** Gives a CommonJS package, which is loaded when it is first asked for. Throws as `require` does. */
export function onDemand<T>(name: string): () => T {
  let loaded: T | undefined;
  return () => (loaded ??= load(name) as T);
}
