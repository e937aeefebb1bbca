// Hairpins: where bridged packets pass the rules (br_netfilter), a bridge does not give a packet back to the port it came from, and a
// container that asks for its own VIP hears nothing. Ports of inner bridges are told to (specs/l4lb.md §2.6.2).

import { readdirSync, readFileSync } from 'node:fs';
import type { Logger } from '../../src/runtime/index.ts';
import type { Commands } from './command.ts';

export interface Hairpins {
  /** Looks at the ports of these bridges. Never rejects. */
  tend(bridges: readonly string[]): Promise<void>;
  /** Why a port could not be told; null: all could. */
  problem(): string | null;
}

export function createHairpins(commands: Commands, log: Logger): Hairpins {
  let problem: string | null = null;
  return {
    async tend(bridges) {
      if (!isFiltered()) return;
      for (const port of bridges.flatMap(portsWithout)) {
        const { code, stderr } = await commands.run('ip', [
          'link',
          'set',
          'dev',
          port,
          'type',
          'bridge_slave',
          'hairpin',
          'on',
        ]);
        if (code === 0)
          log.info({ port }, 'bridge port gives packets back to its container, so that it reaches its own VIP');
        // A container that has ended meanwhile took its port along.
        else if (code === null || !/Cannot find device|No such/.test(stderr)) problem = `${port}: ${stderr.trim()}`;
      }
    },
    problem: () => problem,
  };
}

const isFiltered = (): boolean =>
  ['bridge-nf-call-iptables', 'bridge-nf-call-ip6tables'].some(
    (name) => textOf(`/proc/sys/net/bridge/${name}`) === '1',
  );

function portsWithout(bridge: string): readonly string[] {
  try {
    const ports = readdirSync(`/sys/class/net/${bridge}/brif`);
    return ports.filter((port) => textOf(`/sys/class/net/${port}/brport/hairpin_mode`) === '0');
  } catch {
    return [];
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return null;
  }
}
