// Decides which plane serves VIPs: the kernel where it can, the user-space plane where it cannot, and says why.

import {
  endGuard,
  guardFromMappings,
  makeRangesLocal,
  retireKernelTable,
  testKernel,
  type Commands,
} from '../../lb/index.ts';
import type { Logger } from '../runtime/index.ts';
import type { Config, VipsConfig } from './config/index.ts';
import { rangeText } from './options-of.ts';

/** Decided once a generation, by the process that has every privilege, and told to control and workers. */
export interface VipPlaneChoice {
  readonly plane: 'kernel' | 'user';
  readonly why: string;
  /** For `degraded`. */
  readonly problems: readonly string[];
}

const chosen = (plane: VipPlaneChoice['plane'], why: string, problems: readonly string[] = []): VipPlaneChoice => ({
  plane,
  why,
  problems,
});

/** Where the kernel plane does not serve, what an earlier one left behind must not either. */
export async function retireKernelPlane({ plane }: VipPlaneChoice, commands: Commands, log: Logger): Promise<void> {
  if (plane === 'user' && (await retireKernelTable(commands)))
    log.info({}, 'rules that a kernel plane left behind are out of force; connections that they carry live on');
}

export async function chooseVipPlane(config: Config, commands: Commands, log: Logger): Promise<VipPlaneChoice> {
  const { vips } = config;
  if (vips === null) return chosen('user', 'there is no section vips');
  const choice = vips.plane === 'user' ? chosen('user', 'the configuration says so') : await byTest(config, commands);
  if (choice.plane === 'user') await openRanges(vips, commands, log);
  else await endGuard(commands);
  const { plane, why } = choice;
  if (choice.problems.length > 0)
    log.warn({ plane, problems: choice.problems }, 'VIPs are not served as they could be');
  log.info({ plane, why }, plane === 'kernel' ? 'VIPs are served by the kernel' : 'VIPs are served in user space');
  return choice;
}

/** Without privilege the addresses must be local already; those that are not are told when they cannot be opened. */
async function openRanges({ range, range6, ipv6 }: VipsConfig, commands: Commands, log: Logger): Promise<void> {
  const ranges = { range: rangeText(range), range6: ipv6 ? rangeText(range6) : null };
  const { networks, reason } = await makeRangesLocal(commands, ranges);
  if (networks.length > 0) log.info({ networks }, 'addresses of VIPs are local to this machine');
  if (reason !== null) log.info({ reason }, 'addresses of VIPs cannot be made local to this machine');
  if (networks.length > 0 && (await guardFromMappings(commands, ranges)))
    log.info({ networks }, 'port mappings of this machine are kept off VIPs');
}

async function byTest({ vips }: Config, commands: Commands): Promise<VipPlaneChoice> {
  if (vips === null) return chosen('user', '');
  const ranges = { range: rangeText(vips.range), range6: rangeText(vips.range6) };
  const { unfit, lacks } = await testKernel(commands, ranges);
  if (unfit === null) {
    const why = vips.plane === 'auto' ? 'the kernel takes the ruleset' : 'the configuration says so';
    return chosen(
      'kernel',
      why,
      lacks.map((lack) => `vips: ${lack}`),
    );
  }
  const why = `the kernel plane cannot serve here: ${unfit}`;
  return chosen('user', why, vips.plane === 'auto' ? [] : [`vips: ${why}; the user plane serves instead`]);
}
