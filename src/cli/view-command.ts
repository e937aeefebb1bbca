// What `isthmus zone`, `vips` and `routes` share: a view of the daemon, as the text it prints or as JSON.

import { Command } from 'commander';
import { type AdminOptions, askJson, askText, withAdmin } from './admin-client.ts';
import { print, printJson } from './output.ts';

interface ViewCommand {
  readonly name: 'zone' | 'vips' | 'routes';
  readonly description: string;
  /** The form of a line. */
  readonly line: string;
  /** Lines of examples. */
  readonly examples: readonly string[];
}

export function viewCommand({ name, description, line, examples }: ViewCommand): Command {
  const command = new Command(name)
    .description(description)
    .option('--json', "print the view's records", false)
    .addHelpText(
      'after',
      `\nOne line each: ${line}\n\nExamples:\n${examples.map((example) => `  ${example}`).join('\n')}`,
    )
    .action(async (options: AdminOptions & { readonly json: boolean }) => {
      if (options.json) printJson(await askJson(options, `/v1/${name}`));
      else print(await askText(options, `/v1/${name}`));
    });
  return withAdmin(command);
}
