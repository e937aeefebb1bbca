// `isthmus status`: whether the daemon is ready, what it hears from, and how far its planes are.

import { Command } from 'commander';
import { type AdminOptions, askJson, withAdmin } from './admin-client.ts';
import { formatRecords } from './columns.ts';
import { isColourWanted, print, printJson } from './output.ts';
import { type AnswerRecord, cell, isRecord, recordsIn, textsIn } from './records.ts';

export function statusCommand(): Command {
  const command = new Command('status')
    .description("print the daemon's sources, planes and what does not serve")
    .option('--json', 'print all of it', false)
    .addHelpText('after', '\nExamples:\n  isthmus status\n  isthmus status --json | jq .degraded')
    .action(async (options: AdminOptions & { readonly json: boolean }) => {
      const status = await askJson(options, '/v1/status');
      if (options.json) printJson(status);
      else print(isRecord(status) ? statusText(status) : '');
    });
  return withAdmin(command);
}

function statusText(status: AnswerRecord): string {
  const table = (name: string): string => {
    const text = formatRecords(recordsIn(status[name]), { colour: isColourWanted() });
    return text === '' ? '' : `\n${name}\n${text}`;
  };
  const degraded = textsIn(status['degraded']).map((line) => `  ${line}\n`);
  const exceptions = degraded.length === 0 ? '' : `\ndoes not serve\n${degraded.join('')}`;
  return `${headline(status)}\n${table('sources')}${table('planes')}${table('workers')}${exceptions}`;
}

function headline(status: AnswerRecord): string {
  const ready = status['ready'] === false ? 'not ready' : 'ready';
  const counts = ['tasks', 'apps', 'agents']
    .filter((name) => typeof status[name] === 'number')
    .map((name) => `${cell(status[name])} ${name}`);
  const version = status['version'] === undefined ? [] : [`version ${cell(status['version'])}`];
  const source = typeof status['source'] === 'string' ? [status['source']] : [];
  return [ready, ...counts, ...version, ...source].join(', ');
}
