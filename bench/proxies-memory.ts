// Memory of idle tunnels: ours by SOCKS beside Dante and microsocks. Proportional set size, so that what processes share counts once.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { programsUnder } from './processes.ts';
import type { IdleLoad } from './proxies-idle.ts';
import { idlePort } from './proxies-peers.ts';
import { table } from './results.ts';
import type { Target } from './router-peers.ts';

/** Two descriptors each, of the 20,000 that a process may have. */
const tunnels = 8_000;

export interface MemorySample {
  readonly server: string;
  readonly emptyBytes: number;
  readonly fullBytes: number;
  readonly bytesPerTunnel: number;
}

const program = fileURLToPath(new URL('proxies-idle.ts', import.meta.url));

export async function measureMemory(targets: readonly Target[]): Promise<readonly MemorySample[]> {
  const samples: MemorySample[] = [];
  for (const target of targets) samples.push(await measure(target));
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const rows = samples.map(({ server, emptyBytes, fullBytes, bytesPerTunnel }) => [
    ...[server, megabytes(emptyBytes), megabytes(fullBytes), (bytesPerTunnel / 1000).toFixed(1)],
  ]);
  process.stdout.write(`${table([['idle-memory', 'empty MB', `${tunnels} tunnels MB`, 'kB a tunnel'], ...rows])}\n`);
  return samples;
}

async function measure({ server, pid, port }: Target): Promise<MemorySample> {
  const load: IdleLoad = { port, via: 'socks5', target: idlePort, tunnels };
  const emptyBytes = shareOf(pid);
  const child = spawn(process.execPath, [program, JSON.stringify(load)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const late = setTimeout(() => child.kill('SIGKILL'), 120_000);
  const first = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);
  clearTimeout(late);
  if (!String(first[0]).startsWith('READY')) throw new Error(`${server}: not all tunnels could be opened`);
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const fullBytes = shareOf(pid);
  child.stdin.end();
  await once(child, 'exit');
  return { server, emptyBytes, fullBytes, bytesPerTunnel: (fullBytes - emptyBytes) / tunnels };
}

const shareOf = (pid: number): number =>
  programsUnder(pid).reduce((sum, one) => {
    const rollup = readFileSync(`/proc/${one.pid}/smaps_rollup`, 'utf8');
    return sum + Number(/^Pss:\s+(\d+)/m.exec(rollup)?.[1] ?? 0) * 1024;
  }, 0);
