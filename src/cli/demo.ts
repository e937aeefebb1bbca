// `isthmus demo`: a cluster in miniature on this machine and the daemon in front of it. Ends with everything it started.

import { spawn, type ChildProcess } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { churn, startDemoCluster, type DemoCluster } from './demo-cluster.ts';
import { demoCommands, type DemoAddresses } from './demo-commands.ts';
import { demoAuthority, demoConfig, favouritePorts, type DemoPorts } from './demo-config.ts';
import { startLegacyServers } from './demo-legacy.ts';

interface DemoOptions {
  readonly churn: boolean;
  readonly every: number;
  readonly workers: number;
  readonly seconds?: number;
}

const readyWithinMs = 45_000;

export function demoCommand(): Command {
  return new Command('demo')
    .description('run a small cluster on this machine, with the daemon and every function in front of it')
    .option('--churn', 'deploy, scale, kill and fail over while it runs', false)
    .option('--every <seconds>', 'time between two steps of --churn', wholeNumber, 5)
    .option('--workers <n>', 'worker processes of the daemon; 0: all in one process', wholeNumber, 2)
    .option('--seconds <n>', 'end by itself after so long', wholeNumber)
    .action(async (options: DemoOptions) => {
      process.exitCode = await runDemo(options);
    });
}

async function runDemo(options: DemoOptions): Promise<number> {
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const ended = untilTold(options.seconds);
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-demo-'));
  say('starting a cluster: three masters, two Marathons, six apps …');
  const legacy = await startLegacyServers();
  const demo = await startDemoCluster(say);
  const ports = await freePorts();
  const logFile = join(directory, 'daemon.log');
  const configFile = join(directory, 'isthmus.yaml');
  writeFileSync(configFile, demoConfig(demo, legacy, ports, options.workers, directory));
  say('starting the daemon …');
  const daemon = startDaemon(configFile, logFile);
  const stopChurn = new AbortController();
  try {
    const admin = `127.0.0.1:${ports.admin}`;
    await serving(admin, daemon);
    const addresses = await findAddresses(demo, ports, admin, directory);
    printCommands(addresses, legacy, { configFile, logFile });
    const churning = options.churn
      ? churn(demo, options.every * 1000, (line) => say(`churn: ${line}`), stopChurn.signal)
      : Promise.resolve();
    const code = await Promise.race([ended, exitOf(daemon)]);
    if (code !== undefined) say(`the daemon ended by itself with ${String(code)}; see ${logFile}`);
    stopChurn.abort();
    say('ending …');
    await endDaemon(daemon);
    await Promise.race([churning, new Promise((resolve) => setTimeout(resolve, 5_000).unref())]);
    return daemon.exitCode === 0 ? 0 : 1;
  } catch (error) {
    say(`the demo did not come up: ${String(error)}; the daemon's log is ${logFile}`);
    await endDaemon(daemon);
    return 1;
  } finally {
    legacy.close();
    await demo.close();
    if (daemon.exitCode === 0) rmSync(directory, { recursive: true, force: true });
  }
}

/** Its standard input is a pipe of ours: when this process dies, however, the daemon ends too. */
function startDaemon(configFile: string, logFile: string): ChildProcess {
  const log = openSync(logFile, 'a');
  const entry = process.argv[1] ?? '';
  const child = spawn(process.execPath, [entry, 'run', '--config', configFile], {
    stdio: ['pipe', 'inherit', log],
    env: { ...process.env, ISTHMUS_END_WITH_STDIN: '1' },
  });
  closeSync(log);
  return child;
}

async function endDaemon(daemon: ChildProcess): Promise<void> {
  if (daemon.exitCode !== null || daemon.signalCode !== null) return;
  const exited = exitOf(daemon);
  daemon.kill('SIGTERM');
  const impatience = setTimeout(() => daemon.kill('SIGTERM'), 5_000);
  await exited;
  clearTimeout(impatience);
}

function exitOf(daemon: ChildProcess): Promise<number | null> {
  if (daemon.exitCode !== null) return Promise.resolve(daemon.exitCode);
  return new Promise((resolve) => daemon.once('exit', (code) => resolve(code)));
}

async function serving(admin: string, daemon: ChildProcess): Promise<void> {
  const deadline = Date.now() + readyWithinMs;
  for (;;) {
    if (daemon.exitCode !== null) throw new Error(`the daemon ended with ${daemon.exitCode}`);
    const answer = await fetch(`http://${admin}/ready`).catch(() => null);
    if (answer?.ok === true) return;
    if (Date.now() > deadline)
      throw new Error(`not ready after ${readyWithinMs / 1000} s: ${(await answer?.text()) ?? 'no answer'}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

interface VipRow {
  readonly name: string | null;
  readonly ips: readonly string[];
  readonly port: number;
}

async function findAddresses(
  demo: DemoCluster,
  ports: DemoPorts,
  admin: string,
  directory: string,
): Promise<DemoAddresses> {
  const answer = await fetch(`http://${admin}/v1/vips`, { headers: { accept: 'application/json' } });
  const vips = (await answer.json()) as readonly VipRow[];
  const homepage = vips.find((vip) => vip.name === 'homepage-web.marathon');
  return {
    dns: `127.0.0.1:${ports.dns}`,
    http: `127.0.0.1:${ports.http}`,
    https: `127.0.0.1:${ports.https}`,
    authority: demoAuthority(directory),
    socks: `127.0.0.1:${ports.socks}`,
    httpProxy: `127.0.0.1:${ports.httpProxy}`,
    forward: `127.0.0.1:${ports.forward}`,
    admin,
    vip: `${homepage?.ips[0] ?? 'no-vip'}:${homepage?.port ?? 0}`,
    marathon: demo.marathon.url,
  };
}

function printCommands(
  addresses: DemoAddresses,
  legacy: Parameters<typeof demoCommands>[1],
  files: { readonly configFile: string; readonly logFile: string },
): void {
  const commands = demoCommands(addresses, legacy, `node ${process.argv[1] ?? 'bin/isthmus.js'}`);
  const lines = commands.map(({ shows, command }) => `  # ${shows}\n  ${command}\n`);
  process.stdout.write(`\nIsthmus serves. In another terminal:\n\n${lines.join('\n')}\n`);
  process.stdout.write(
    `  Dashboard      http://${addresses.admin}/\n  Configuration  ${files.configFile}\n  Log            ${files.logFile}\n\n`,
  );
  process.stdout.write('Ctrl-C ends it and leaves nothing behind.\n');
}

/** The favourite number where it is free, for UDP and TCP alike as far as TCP tells, else one that the kernel picks. */
async function freePorts(): Promise<DemoPorts> {
  const entries = await Promise.all(
    Object.entries(favouritePorts).map(async ([name, port]) => [name, await freePort(port as number)] as const),
  );
  return Object.fromEntries(entries) as unknown as DemoPorts;
}

function freePort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => (wanted === 0 ? reject(error) : resolve(freePort(0))));
    probe.listen(wanted, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}

function untilTold(seconds: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
    if (seconds !== undefined) setTimeout(resolve, seconds * 1000);
  });
}

function wholeNumber(text: string): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < 0) throw new InvalidArgumentError('give a whole number, 0 or more');
  return number;
}
