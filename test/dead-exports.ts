// Runs ts-unused-exports with one repair: it takes an import of `folder/index.ts`, with its ending, for another file than
// `folder/index`, and would call everything dead that a folder shows. Types may be exported for whoever reads a signature.

import { createRequire } from 'node:module';

interface Common {
  getFromText(specifier: string): string;
}

interface CommandLine {
  runCli(exit: (code: number) => void, fail: typeof print, show: typeof print, args: readonly string[]): void;
}

const require = createRequire(import.meta.url);
const common = require('ts-unused-exports/lib/parser/common.js') as Common;
const { runCli } = require('ts-unused-exports/lib/cli.js') as CommandLine;

const original = common.getFromText;
common.getFromText = (specifier) => original(specifier).replace(/\/index\.ts$/, '/index');

const exit = (code: number): void => {
  process.exitCode = code;
};
runCli(exit, print, print, ['tsconfig.json', '--allowUnusedTypes']);

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
