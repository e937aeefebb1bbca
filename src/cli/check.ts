// `isthmus check`: every problem of a configuration file at once.

import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import type { ConfigProblem } from '../daemon/config/index.ts';
import { messageOf } from '../runtime/index.ts';
import { formatColumns } from './columns.ts';
import { CommandFailure, exitWrong } from './command-failure.ts';
import { isColourWanted, print, printJson, say } from './output.ts';

interface CheckOptions {
  readonly config: string;
  readonly json: boolean;
}

export function checkCommand(): Command {
  return new Command('check')
    .description('tell every problem of a configuration file, with its line and what would be right')
    .requiredOption('--config <file>', 'the configuration file')
    .option('--json', 'print an array of {line, column, path, message, remedy, severity}', false)
    .addHelpText(
      'after',
      `
Exit code 2 if the file has an error; warnings alone are 0.

Examples:
  isthmus check --config /etc/isthmus/isthmus.yaml
  isthmus check --config isthmus.yaml --json | jq -r '.[].path'`,
    )
    .action(check);
}

async function check({ config: file, json }: CheckOptions): Promise<void> {
  const text = read(file);
  const { config, problems } = await import('../daemon/config/index.ts').then(({ parseConfig }) =>
    parseConfig(text, file),
  );
  if (json) printJson(problems);
  else print(problems.length === 0 ? `${file} is fine` : table(problems));
  if (config !== null && problems.length > 0) say(`${file} is usable, with ${counted(problems.length, 'warning')}`);
  if (config !== null) return;
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  say(`${file} has ${counted(errors, 'error')}`);
  process.exitCode = exitWrong;
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new CommandFailure(`cannot read the configuration: ${messageOf(error)}`, exitWrong);
  }
}

function table(problems: readonly ConfigProblem[]): string {
  const rows = problems.map(({ line, path, message, remedy, severity }) => [
    String(line),
    path === '' ? '-' : path,
    severity === 'warning' ? `warning: ${message}` : message,
    remedy,
  ]);
  return formatColumns(['LINE', 'PATH', 'PROBLEM', 'REMEDY'], rows, { colour: isColourWanted() });
}

function counted(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? '' : 's'}`;
}
