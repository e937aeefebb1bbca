// Which connection suits a request: what may be sent twice takes any, what may not avoids those that lay idle for long.

import type { AcquireOptions } from '../http1/index.ts';

const idempotent: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE']);

/** RFC 9110 §9.2.2: what does the same twice. */
export const isIdempotent = (method: string): boolean => idempotent.has(method);

const pooled: AcquireOptions = {};
const careful: AcquireOptions = { careful: true };
const upgradable: AcquireOptions = { upgradable: true };
export const fresh: AcquireOptions = { fresh: true };

export const acquireOptions = (upgrade: boolean, method: string): AcquireOptions =>
  upgrade ? upgradable : idempotent.has(method) ? pooled : careful;
