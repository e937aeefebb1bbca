// `isthmus run`: the daemon, in the foreground.

import { Command, InvalidArgumentError } from 'commander';
import { isMistake, parseDuration } from '../daemon/config/index.ts';

interface RunCommandOptions {
  readonly config: string;
  readonly readyTimeout: number;
}

export function runCommand(): Command {
  return new Command('run')
    .description('run the daemon in the foreground')
    .requiredOption('--config <file>', 'the configuration file')
    .option('--ready-timeout <duration>', 'give up where nothing serves by then', parseTimeout, 60_000)
    .addHelpText(
      'after',
      `
Signals: SIGTERM and SIGINT drain, then stop; SIGHUP reloads the configuration; SIGUSR1 reopens log files;
SIGUSR2 starts new processes from the code now on disk. Logs are JSON lines on stderr.

Examples:
  isthmus run --config /etc/isthmus/isthmus.yaml
  isthmus run --config isthmus.yaml --ready-timeout 5m`,
    )
    .action(async ({ config, readyTimeout }: RunCommandOptions) => {
      const { runDaemon } = await import('../daemon/index.ts');
      const code = await runDaemon({ configFile: config, readyTimeoutMs: readyTimeout });
      // What has drained must not be held open by a handle that somebody forgot.
      process.exit(code);
    });
}

function parseTimeout(text: string): number {
  const result = parseDuration(text);
  if (isMistake(result)) throw new InvalidArgumentError(`It ${result.wrong}: ${result.remedy}.`);
  return result;
}
