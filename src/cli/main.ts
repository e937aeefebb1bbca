// The command line of isthmus: reads the arguments and runs one command. Exit codes: 0 fine, 1 failed, 2 wrong usage or configuration.

import { Command, CommanderError } from 'commander';
import manifest from '../../package.json' with { type: 'json' };
import { certsCommand } from './certs.ts';
import { checkCommand } from './check.ts';
import { CommandFailure, exitFailed, exitWrong } from './command-failure.ts';
import { explainCommand } from './explain.ts';
import { say } from './output.ts';
import { passwdCommand } from './passwd.ts';
import { routesCommand } from './routes.ts';
import { runCommand } from './run.ts';
import { statusCommand } from './status.ts';
import { tasksCommand } from './tasks.ts';
import { vipsCommand } from './vips.ts';
import { zoneCommand } from './zone.ts';

/** In the order of the help. */
const commands = [
  runCommand(),
  checkCommand(),
  await demoCommand(),
  passwdCommand(),
  zoneCommand(),
  vipsCommand(),
  routesCommand(),
  tasksCommand(),
  certsCommand(),
  statusCommand(),
  explainCommand(),
];

const program = new Command('isthmus')
  .description(
    'One daemon at the edge of a Mesos cluster: service-discovery DNS, L7 router, L4 VIP balancer and proxies.',
  )
  .version(manifest.version)
  .showHelpAfterError('(add --help for what is possible)')
  .addHelpText(
    'after',
    `
Examples:
  isthmus check --config isthmus.yaml
  isthmus run --config isthmus.yaml
  isthmus explain http://shop.example/`,
  )
  .exitOverride();
for (const command of commands) program.addCommand(command.copyInheritedSettings(program));

// A reader that has seen enough (`isthmus zone | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : exitFailed));

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}

function explain(error: unknown): number {
  // Commander has said it already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : exitWrong;
  if (error instanceof CommandFailure) {
    say(error.message);
    return error.exitCode;
  }
  // Nobody expected this one: whoever mends it needs to see where it came from.
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return exitFailed;
}

/** The demo brings a whole cluster along, which no other command should wait for. */
async function demoCommand(): Promise<Command> {
  if (process.argv.includes('demo')) return import('./demo.ts').then(({ demoCommand }) => demoCommand());
  return new Command('demo').description(
    'run a small cluster on this machine, with the daemon and every function in front of it',
  );
}
