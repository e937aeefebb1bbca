// `isthmus run`: the daemon, in the foreground.

import { Command } from 'commander';
import { CommandFailure, exitWrong } from './command-failure.ts';

interface RunCommandOptions {
  readonly config: string;
  readonly readyTimeout: string;
}

export function runCommand(): Command {
  return new Command('run')
    .description('run the daemon in the foreground')
    .requiredOption('--config <file>', 'the configuration file')
    .option('--ready-timeout <duration>', 'give up where nothing serves by then', '60s')
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
      const readyTimeoutMs = await parseTimeout(readyTimeout);
      const options = { configFile: config, readyTimeoutMs };
      const code = await import('../daemon/index.ts').then(({ runDaemon }) => runDaemon(options));
      // What has drained must not be held open by a handle that somebody forgot.
      process.exit(code);
    });
}

async function parseTimeout(text: string): Promise<number> {
  const result = await import('../daemon/config/index.ts').then(({ isMistake, parseDuration }) => {
    const duration = parseDuration(text);
    return isMistake(duration) ? duration : { ms: duration };
  });
  if ('ms' in result) return result.ms;
  throw new CommandFailure(`--ready-timeout "${text}" ${result.wrong}: ${result.remedy}`, exitWrong);
}
