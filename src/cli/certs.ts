// `isthmus certs`: the certificates that the daemon answers with.

import { Command } from 'commander';
import { type AdminOptions, askJson, withAdmin } from './admin-client.ts';
import { formatRecords } from './columns.ts';
import { isColourWanted, print, printJson } from './output.ts';
import { isRecord, recordsIn, textsIn } from './records.ts';

export function certsCommand(): Command {
  const command = new Command('certs')
    .description('print the certificates that the daemon answers with')
    .option('--json', 'print all that is known of each', false)
    .addHelpText('after', '\nExamples:\n  isthmus certs\n  isthmus certs --json')
    .action(async (options: AdminOptions & { readonly json: boolean }) => {
      const certificates = await askJson(options, '/v1/certs');
      if (options.json) printJson(certificates);
      else print(`${table(certificates)}${problems(await askJson(options, '/v1/status'))}`);
    });
  return withAdmin(command);
}

const table = (certificates: unknown): string =>
  formatRecords(recordsIn(certificates), { colour: isColourWanted() }) || 'no certificates\n';

/** Also those of names that have no certificate yet. */
function problems(status: unknown): string {
  const lines = isRecord(status) ? textsIn(status['degraded']).filter((line) => line.startsWith('certs: ')) : [];
  return lines.length === 0 ? '' : `\nproblems\n${lines.map((line) => `  ${line.slice('certs: '.length)}\n`).join('')}`;
}
