// `npm run conformance -- AREA FOLDER`: runs every case file of a folder against the program.

import { join } from 'node:path';

type Run = (args: readonly string[]) => Promise<number>;

const areas: Readonly<Record<string, Run | undefined>> = {
  // A runner is one line here, answers with the exit code, and is loaded only when asked for:
  // `dns: (args) => import('./dns.ts').then(({ run }) => run(args)),`
  dns: (args) => import('./dns.ts').then(({ run }) => run(args)),
  l4lb: (args) => import('./l4lb.ts').then(({ run }) => run(args)),
  l7: (args) => import('./l7.ts').then(({ run }) => run(args)),
  orchestrator: (args) => import('./orchestrator.ts').then(({ run }) => run(args)),
  hpack: (args) => import('./hpack.ts').then(({ run }) => run(args)),
};

// Most of what a daemon does at its start is the same each time.
process.env['NODE_COMPILE_CACHE'] ??= join(import.meta.dirname, '../../node_modules/.cache/compile');

const [area = '', ...args] = process.argv.slice(2);
const run = areas[area];
if (run === undefined) {
  process.stderr.write(`usage: npm run conformance -- ${Object.keys(areas).join('|')} FOLDER\n`);
  if (area in areas) process.stderr.write(`there is no runner for ${area} yet\n`);
  process.exitCode = 2;
} else {
  process.exitCode = await run(args);
}
