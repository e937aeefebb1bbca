// `isthmus certs`: the certificates that the daemon answers with.

import { Command } from 'commander';
import { type AdminOptions, askJson, withAdmin } from './admin-client.ts';
import { formatRecords } from './columns.ts';
import { isColourWanted, print, printJson } from './output.ts';
import { recordsIn } from './records.ts';

export function certsCommand(): Command {
  const command = new Command('certs')
    .description('print the certificates that the daemon answers with')
    .option('--json', 'print all that is known of each', false)
    .addHelpText('after', '\nExamples:\n  isthmus certs\n  isthmus certs --json')
    .action(async (options: AdminOptions & { readonly json: boolean }) => {
      const certificates = await askJson(options, '/v1/certs');
      if (options.json) printJson(certificates);
      else print(formatRecords(recordsIn(certificates), { colour: isColourWanted() }) || 'no certificates');
    });
  return withAdmin(command);
}
