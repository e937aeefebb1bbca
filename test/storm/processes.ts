// The daemon's processes as the machine sees them: who they are, and what they hold.

import { readdirSync, readFileSync } from 'node:fs';

export interface DaemonProcess {
  readonly pid: number;
  /** `supervisor` for the one that was started. */
  readonly role: string;
  readonly rssMb: number;
  readonly descriptors: number;
}

export interface Holdings {
  readonly processes: number;
  readonly rssMb: number;
  readonly descriptors: number;
}

/** `root` and everything under it. */
export function processesOf(root: number): readonly DaemonProcess[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = read(`/proc/${name}/stat`);
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    if (Number.isFinite(parent)) parents.set(Number(name), parent);
  }
  const isUnder = (pid: number | undefined): boolean =>
    pid !== undefined && (pid === root || isUnder(parents.get(pid)));
  return [...parents.keys()].filter(isUnder).flatMap((pid) => {
    const pages = Number(read(`/proc/${pid}/statm`).split(' ')[1]);
    if (!Number.isFinite(pages)) return [];
    const role = /(?:^|\0)ISTHMUS_ROLE=(\w+)/.exec(read(`/proc/${pid}/environ`))?.[1] ?? 'supervisor';
    return [{ pid, role, rssMb: (pages * 4096) / 2 ** 20, descriptors: descriptorsOf(pid) }];
  });
}

export function holdingsOf(root: number): Holdings {
  const all = processesOf(root);
  return {
    processes: all.length,
    rssMb: Math.round(all.reduce((sum, one) => sum + one.rssMb, 0)),
    descriptors: all.reduce((sum, one) => sum + one.descriptors, 0),
  };
}

export function isAlive(pid: number): boolean {
  return !/\) [ZX] /.test(read(`/proc/${pid}/stat`) || ') X ');
}

function descriptorsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length;
  } catch {
    return 0;
  }
}

/** Empty where the process has gone meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
