// The kernel plane with its doors to nftables and conntrack, as the process that programs them composes it.

import type { Clock, Logger, Metrics } from '../../src/runtime/index.ts';
import { vipTarget } from '../vip-record.ts';
import type { Commands } from './command.ts';
import { exportConntrack } from './conntrack-fill.ts';
import { createFlows } from './flows.ts';
import { createHairpins } from './hairpin.ts';
import { KernelPlane } from './kernel-plane.ts';
import type { AddressRanges } from './layout.ts';
import { createNft } from './nft.ts';
import { readSurroundings } from './surroundings.ts';

export interface KernelOptions {
  readonly commands: Commands;
  readonly ranges: AddressRanges;
  /** As of `KernelPlaneOptions`. */
  readonly panicRatio: number;
  /** Milliseconds that TCP flows of a backend that is gone may go on; 0: as long as they like. */
  readonly drainMs: number;
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface KernelVips {
  readonly plane: KernelPlane;
  /** Addresses that the kernel serves: `tcp NAME:PORT` or `tcp IP:PORT` to `IP:PORT`; `tcp6` for the IPv6 address of a name. */
  listeners(): Readonly<Record<string, string>>;
}

export function createKernelVips(options: KernelOptions): KernelVips {
  const kernel = createNft(options.commands);
  const flows = createFlows(options.commands);
  const hairpins = createHairpins(options.commands, options.log);
  const plane = new KernelPlane({ ...options, kernel, flows, hairpins, surroundings: readSurroundings });
  exportConntrack(options.metrics);
  return {
    plane,
    listeners: () =>
      Object.fromEntries(
        [...plane.spots()]
          .map(({ protocol, family, vip, ip, port }) => {
            const target = vipTarget(ip, port);
            return [`${protocol}${family === 6 && vip !== target ? '6' : ''} ${vip}`, target] as const;
          })
          .sort(),
      ),
  };
}
