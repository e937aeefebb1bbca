// What the views show, read from what they print: addresses in VIPs and routes, names with their ports in the zone.

import type { View } from '../../src/ports/index.ts';
import type { AnyRecord } from '../../src/daemon/tables.ts';
import { createZoneView } from '../../dns/index.ts';
import { createVipView } from '../../lb/index.ts';
import { createRouteView } from '../../proxies/router/index.ts';

export const viewNames = ['zone', 'vips', 'routes'] as const;

/** A fresh set of them. */
export function viewsOf(): readonly View<AnyRecord>[] {
  const options = { groups: ['external'], authority: [] };
  return [createZoneView({}), createVipView({ ipv6: false }), createRouteView(options as never)];
}

/** A task as the views should show it. */
export interface Shown {
  /** As DNS calls it. */
  readonly name: string;
  readonly framework: string;
  /** `IP:PORT`. */
  readonly address: string;
  readonly isRouted: boolean;
  readonly isOfMarathon: boolean;
}

/** Says which view lacks a task; null: none does. */
export type Lack = (task: Shown) => string | null;

const address = /\d+\.\d+\.\d+\.\d+:\d+/g;
const service = /^_([\w.-]+)\._tcp\.([\w-]+)\.mesos\. .* SRV 0 \d+ (\d+) /gm;

/** Reads all of it once, so that asking costs little however many tasks there are. */
export function presenceIn(prints: Readonly<Record<(typeof viewNames)[number], string>>): Lack {
  const vips = new Set(Array.from(prints.vips.matchAll(address), ([text]) => text));
  const routes = new Set(Array.from(prints.routes.matchAll(address), ([text]) => text));
  const names = new Set(
    Array.from(prints.zone.matchAll(service), ([, name, framework, port]) => `${name} ${framework} ${port}`),
  );
  return ({ name, framework, address: at, isRouted }) => {
    if (!vips.has(at)) return `at ${at} is not in vips`;
    if (isRouted && !routes.has(at)) return `at ${at} is not in routes`;
    return names.has(`${name} ${framework} ${at.split(':').at(-1)}`) ? null : `at ${at} is not in the zone`;
  };
}

/** Some of the lines that one text has and the other has not; null: none. */
export function differing(actual: string, expected: string): string | null {
  if (actual === expected) return null;
  const [here, there] = [new Set(actual.split('\n')), new Set(expected.split('\n'))];
  const more = [...here].filter((line) => !there.has(line)).map((line) => `+ ${line}`);
  const less = [...there].filter((line) => !here.has(line)).map((line) => `- ${line}`);
  return [...more, ...less].slice(0, 6).join(' | ');
}
