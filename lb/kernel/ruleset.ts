// From spots to elements: what the kernel should hold for each VIP, given what it holds, and the steps in between. Slots that can stay do,
// so that a change costs the slots it moves and nothing of other VIPs.

import type { Backend } from '../../src/cluster/index.ts';
import { takersOf } from '../policies/candidate.ts';
import { maglevTable } from '../policies/maglev-table.ts';
import { allowedNetworks } from './allowed.ts';
import { Elements, diffElements, stepsTo, vipKeyOf, type SetName, type Step } from './elements.ts';
import { limitChain } from './limits.ts';
import { pickerName, stickyName, stickySizes } from './layout.ts';
import { fillSlots } from './slots.ts';
import type { Spot } from './spots.ts';
import { Uses } from './uses.ts';

/** `SET`, key and value of one element. */
type Element = readonly [set: SetName, key: string, value: string];

/** What of the machine the rules depend on. */
export interface Surroundings {
  readonly own: ReadonlySet<string>;
  /** Names of interfaces, and of those among them behind which nobody but this machine's containers live. */
  readonly interfaces: readonly string[];
  readonly inside: readonly string[];
}

/** A slot for each hundredth part or so of a share. */
const stickySlotsEach = 25;

/**
 * The ruleset as it is wanted and as the kernel is believed to have it. `plan` gives the steps for spots that were touched; whoever got
 * them into the kernel says so by `confirm`.
 */
export class Ruleset {
  readonly #spots: ReadonlyMap<string, Spot>;
  readonly #panicRatio: number;
  #held = new Elements();
  /** Addresses of VIPs and of backends, as of the last plan. */
  readonly #shared = new Uses();

  /** `panicRatio` as of `takersOf`. */
  constructor(spots: ReadonlyMap<string, Spot>, panicRatio: number) {
    this.#spots = spots;
    this.#panicRatio = panicRatio;
  }

  get held(): Elements {
    return this.#held;
  }

  /** The kernel holds `held`, as it was read; what is wanted is thought of anew. */
  restart(held: Elements): void {
    this.#held = held;
    this.#shared.clear();
    for (const spot of this.#spots.values()) this.#shared.set(spot.key, sharedOf(spot));
    this.#shared.take();
  }

  /** The groups of steps from what is held to everything that is wanted; each VIP's steps are in one group. */
  planAll(surroundings: Surroundings): readonly (readonly Step[])[] {
    const wanted = new Elements();
    for (const spot of this.#spots.values()) {
      for (const [set, key, value] of this.#wantedOf(spot)) wanted.put(set, key, value);
    }
    for (const element of this.#sharedBy(surroundings)) wanted.put(...element);
    const steps = diffElements(this.#held, wanted);
    const byVip = Map.groupBy(steps, ({ set, key }) => (isOfVip(set) ? vipKeyOf(key) : ''));
    const shared = byVip.get('') ?? [];
    const vips = [...byVip].filter(([key]) => key !== '').map(([, group]) => group);
    const single = (verb: Step['verb']): Step[][] => shared.filter((step) => step.verb === verb).map((step) => [step]);
    return [...single('add'), ...vips, ...single('delete')];
  }

  /** The same for the spots of `touched`, whose records have just changed. */
  plan(touched: ReadonlySet<string>): readonly (readonly Step[])[] {
    const groups = [...touched].map((key) => this.#planSpot(key));
    const adds: Step[] = [];
    const deletes: Step[] = [];
    for (const [[set, key], isUsed] of this.#shared.take()) {
      for (const step of stepsTo(set, key, this.#held.get(set, key), isUsed ? '' : undefined))
        (step.verb === 'add' ? adds : deletes).push(step);
    }
    return [adds, ...groups, deletes].filter((group) => group.length > 0);
  }

  confirm(steps: readonly Step[]): void {
    this.#held.follow(steps);
  }

  #planSpot(key: string): readonly Step[] {
    const family = key.includes(':') ? 6 : 4;
    const spot = this.#spots.get(key);
    const wanted = new Map<string, Element>();
    for (const element of spot === undefined ? [] : this.#wantedOf(spot))
      wanted.set(`${element[0]} ${element[1]}`, element);
    const steps: Step[] = [];
    for (const [set, held] of this.#heldOf(key, family)) {
      const id = `${set} ${held}`;
      steps.push(...stepsTo(set, held, this.#held.get(set, held), wanted.get(id)?.[2]));
      wanted.delete(id);
    }
    for (const [set, own, value] of wanted.values()) steps.push(...stepsTo(set, own, undefined, value));
    this.#shared.set(key, spot === undefined ? [] : sharedOf(spot));
    return steps;
  }

  #heldOf(key: string, family: 4 | 6): readonly (readonly [SetName, string])[] {
    const single = ([`lim${family}`, `svc${family}`, `dead${family}`, `guarded${family}`] as const).filter(
      (set) => this.#held.get(set, key) !== undefined,
    );
    const slots = this.#heldSlots(key, family).map((_, slot) => [`be${family}`, `${key} . ${slot}`] as const);
    const prefix = `${key} . `;
    const allow =
      this.#held.get(`guarded${family}`, key) === undefined
        ? []
        : [...this.#held.of(`allow${family}`).keys()].filter((one) => one.startsWith(prefix));
    return [
      ...single.map((set) => [set, key] as const),
      ...slots,
      ...allow.map((one) => [`allow${family}`, one] as const),
    ];
  }

  #heldSlots(key: string, family: 4 | 6): readonly string[] {
    const slots: string[] = [];
    for (;;) {
      const backend = this.#held.get(`be${family}`, `${key} . ${slots.length}`);
      if (backend === undefined) return slots;
      slots.push(backend);
    }
  }

  #wantedOf(spot: Spot): readonly Element[] {
    const { key, family } = spot;
    const { takers } = takersOf({ id: key, backends: spot.backends }, this.#panicRatio);
    const usable = takers.map(({ backend, weight }) => ({ ...backend, weight }));
    const guard = guardOf(spot);
    if (usable.length === 0) return [[`dead${family}`, key, ''], ...guard];
    const isSticky = spot.options.policy === 'maglev';
    const slots = isSticky ? stickySlots(usable) : fillSlots(usable.map(shareOf), this.#heldSlots(key, family));
    const picker = isSticky ? stickyName(family, slots.length) : pickerName(family, slots.length);
    return [
      ...slots.map((backend, slot) => [`be${family}`, `${key} . ${slot}`, backend] as const),
      [`svc${family}`, key, `goto ${picker}`],
      ...guard,
    ];
  }

  #sharedBy({ own, interfaces, inside }: Surroundings): readonly Element[] {
    return [
      ...[...this.#shared.all()].map(([set, key]) => [set, key, ''] as const),
      ...[...own].map((ip) => [ip.includes(':') ? 'own6' : 'own4', ip, ''] as const),
      ...interfaces.map((name) => ['pairs', `"${name}" . "${name}"`, ''] as const),
      ...inside.map((name) => ['inside', `"${name}"`, ''] as const),
    ];
  }
}

function sharedOf({ family, ip, backends }: Spot): readonly (readonly [SetName, string])[] {
  return [
    [`addr${family}`, ip],
    ...backends.map((backend) => [`self${family}`, `${backend.ip} . ${backend.ip}`] as const),
  ];
}

const isOfVip = (set: SetName): boolean => /^(lim|svc|be|dead|guarded|allow)/.test(set);

const shareOf = ({ ip, port, weight }: Backend): { backend: string; weight: number } => ({
  backend: `${ip} . ${port}`,
  weight,
});

function stickySlots(usable: readonly Backend[]): readonly string[] {
  const size = stickySizes.find((one) => one >= usable.length * stickySlotsEach) ?? (stickySizes.at(-1) as number);
  // Of more backends than slots the last ones by key go without, on every edge alike.
  const fitting = usable.slice(0, size);
  const table = maglevTable(
    fitting.map((backend) => ({ backend, weight: backend.weight })),
    size,
  );
  return Array.from(table, (index) => shareOf(fitting[index] as Backend).backend);
}

function guardOf({ key, family, options }: Spot): readonly Element[] {
  const chain = limitChain(options, family);
  const limit = chain === null ? [] : [[`lim${family}`, key, `goto ${chain}`] as const];
  const networks = options.allow === undefined ? null : allowedNetworks(options.allow, family);
  if (networks === null) return limit;
  return [
    ...limit,
    [`guarded${family}`, key, ''],
    ...networks.map((network) => [`allow${family}`, `${key} . ${network}`, ''] as const),
  ];
}
