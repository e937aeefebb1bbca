// `isthmus explain`: which route, record or VIP answers and why; why a label gave nothing.

import { Command, InvalidArgumentError } from 'commander';
import { type AdminOptions, askJson, withAdmin } from './admin-client.ts';
import { CommandFailure, exitWrong } from './command-failure.ts';
import { print, printJson } from './output.ts';
import { isRecord, textsIn } from './records.ts';

interface ExplainOptions extends AdminOptions {
  readonly json: boolean;
  readonly method: string;
  readonly header: readonly string[];
}

export function explainCommand(): Command {
  const command = new Command('explain')
    .description('say which route, record or VIP answers, and why')
    .argument('<what...>', 'URL · dns NAME [TYPE] · vip NAME:PORT')
    .option('--method <method>', 'of the request to the URL', 'GET')
    .option('--header <name:value>', 'of the request to the URL; may be given several times', collectHeader, [])
    .option('--json', 'print all that is known', false)
    .addHelpText(
      'after',
      `
Examples:
  isthmus explain http://shop.example/cart
  isthmus explain https://shop.example/ --header 'X-Canary: yes'
  isthmus explain dns web.marathon.mesos
  isthmus explain dns _web._tcp.marathon.mesos SRV
  isthmus explain vip web.marathon:80`,
    )
    .action(async (what: readonly string[], options: ExplainOptions) => {
      const answer = await askJson(options, `/v1/explain?${question(what, options).toString()}`);
      const lines = isRecord(answer) ? textsIn(answer['lines']) : [];
      // The question was none: a name that cannot be, a type that there is not.
      if (isRecord(answer) && answer['outcome'] === 'invalid') throw new CommandFailure(lines.join('\n'), exitWrong);
      if (options.json) printJson(answer);
      else print(lines.join('\n'));
    });
  return withAdmin(command);
}

function question(what: readonly string[], { method, header }: ExplainOptions): URLSearchParams {
  const [kind = '', subject, type, ...rest] = what;
  if (kind === 'dns' && subject !== undefined && rest.length === 0)
    return new URLSearchParams({ dns: subject, type: (type ?? 'A').toUpperCase() });
  if (kind === 'vip' && subject !== undefined && type === undefined) return new URLSearchParams({ vip: subject });
  if (subject === undefined && kind !== 'dns' && kind !== 'vip') {
    return new URLSearchParams([
      ['url', kind],
      ['method', method.toUpperCase()],
      ...header.map((field): [string, string] => ['header', field]),
    ]);
  }
  throw new CommandFailure('write `explain URL`, `explain dns NAME [TYPE]` or `explain vip NAME:PORT`', exitWrong);
}

function collectHeader(field: string, others: readonly string[]): readonly string[] {
  if (!/^[^\s:]+:/.test(field)) throw new InvalidArgumentError('Write NAME:VALUE.');
  return [...others, field];
}
