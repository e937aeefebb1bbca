// A private network namespace: the cases' addresses and ports are local to it, and nothing that is asked leaves the machine.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { isIPv6 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const mark = 'ISTHMUS_CONFORMANCE_NAMESPACE';

export const isInNamespace = (): boolean => process.env[mark] === '1';

/** Runs this program again in a namespace of its own and returns its exit code; 2, and says why, where that cannot be had. */
export async function runInNamespace(): Promise<number> {
  const refusal = refusalOf();
  if (refusal !== null) {
    process.stderr.write(`conformance needs a private network namespace: ${refusal}\n`);
    return 2;
  }
  const child = spawn('unshare', ['-n', '-m', process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    // Hundreds of daemons are started from the same sources: they are compiled once.
    env: { NODE_COMPILE_CACHE: join(tmpdir(), 'isthmus-compiled'), ...process.env, [mark]: '1' },
  });
  return new Promise((resolve) => child.once('exit', (code) => resolve(code ?? 1)));
}

function refusalOf(): string | null {
  if (process.getuid?.() !== 0) return 'start it as root';
  for (const [command, ...args] of [
    ['unshare', '-n', '-m', 'true'],
    ['ip', '-V'],
  ] as const) {
    const { status, error, stderr } = spawnSync(command, args, { encoding: 'utf8' });
    if (error !== undefined) return `the command ${command} is missing`;
    if (status !== 0) return stderr.trim();
  }
  return null;
}

/** Brings loopback up and takes away the machine's resolvers; once, at the start. */
export function prepareNamespace(): void {
  command('ip', ['link', 'set', 'lo', 'up']);
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-resolv-'));
  writeFileSync(join(directory, 'resolv.conf'), '');
  command('mount', ['--bind', join(directory, 'resolv.conf'), '/etc/resolv.conf']);
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
}

const local = new Set(['127.0.0.1', '0.0.0.0', '::1', '::']);

/** Makes IP addresses local. Those that are already stay. */
export function makeLocal(addresses: readonly string[]): void {
  for (const address of addresses) {
    if (local.has(address)) continue;
    local.add(address);
    const options = isIPv6(address) ? ['-6', 'addr', 'add', `${address}/128`] : ['addr', 'add', `${address}/32`];
    command('ip', [...options, 'dev', 'lo', ...(isIPv6(address) ? ['nodad'] : [])]);
  }
}

function command(name: string, args: readonly string[]): void {
  const { status, stderr } = spawnSync(name, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${stderr.trim()}`);
}
