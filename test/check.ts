// Everything that can be said of the sources without running them: types, lint, format, dead exports. Two tools at a
// time, each with a cache in node_modules/.cache; prints what each of them has to say, and exits 1 if one complains.

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';

interface Outcome {
  readonly isGood: boolean;
  readonly output: string;
  readonly seconds: number;
}

const root = dirname(import.meta.dirname);
const cache = 'node_modules/.cache';

// The slowest first.
const tools: readonly (readonly [name: string, ...command: string[]])[] = [
  [
    'eslint',
    'node_modules/eslint/bin/eslint.js',
    '--cache',
    '--cache-location',
    `${cache}/eslint/`,
    '--max-warnings',
    '0',
    '.',
  ],
  ['tsc', 'node_modules/typescript/bin/tsc', '--noEmit'],
  ['prettier', 'node_modules/prettier/bin/prettier.cjs', '--check', '--cache', '--log-level', 'warn', '.'],
  ['ts-unused-exports', 'test/dead-exports.ts'],
];

const queue = [...tools];
let isGood = true;

async function work(): Promise<void> {
  for (let tool = queue.shift(); tool !== undefined; tool = queue.shift()) {
    const [name, script = '', ...args] = tool;
    const outcome = await run(script, args);
    isGood &&= outcome.isGood;
    process.stdout.write(`${outcome.isGood ? '✓' : '✗'} ${name.padEnd(18)} ${outcome.seconds.toFixed(1)} s\n`);
    if (!outcome.isGood) process.stdout.write(`${outcome.output.trimEnd()}\n`);
  }
}

function run(script: string, args: readonly string[]): Promise<Outcome> {
  const started = performance.now();
  const child = spawn(process.execPath, [join(root, script), ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => output.push(text));
  }
  return new Promise((resolve) => {
    child.on('close', (code) =>
      resolve({ isGood: code === 0, output: output.join(''), seconds: (performance.now() - started) / 1000 }),
    );
  });
}

await Promise.all([work(), work()]);
process.exitCode = isGood ? 0 : 1;
