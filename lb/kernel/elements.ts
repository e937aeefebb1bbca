// Elements of the table's sets and maps: what of the ruleset changes. A change is steps that delete and add elements, written as one
// transaction, which the kernel takes as a whole or not at all.

import { tableName } from './layout.ts';
import { limitCommands } from './limits.ts';

export type SetName =
  `${'lim' | 'svc' | 'be' | 'dead' | 'guarded' | 'allow' | 'addr' | 'own' | 'self'}${4 | 6}` | 'pairs' | 'inside';

export const setNames: readonly SetName[] = [
  ...(['lim', 'svc', 'be', 'dead', 'guarded', 'allow', 'addr', 'own', 'self'] as const).flatMap(
    (kind) => [`${kind}4`, `${kind}6`] as const,
  ),
  'pairs',
  'inside',
];

/** `key` and `value` as nft writes them, parts joined by ` . `; the value of a set's element is ''. */
export interface Step {
  readonly verb: 'delete' | 'add';
  readonly set: SetName;
  readonly key: string;
  readonly value: string;
}

/** Contents of all sets, key to value. */
export class Elements {
  readonly #sets = new Map<SetName, Map<string, string>>(setNames.map((name) => [name, new Map<string, string>()]));

  of(set: SetName): ReadonlyMap<string, string> {
    return this.#own(set);
  }

  get(set: SetName, key: string): string | undefined {
    return this.#own(set).get(key);
  }

  put(set: SetName, key: string, value: string): void {
    this.#own(set).set(key, value);
  }

  follow(steps: readonly Step[]): void {
    for (const { verb, set, key, value } of steps) {
      if (verb === 'delete') this.#own(set).delete(key);
      else this.#own(set).set(key, value);
    }
  }

  #own(set: SetName): Map<string, string> {
    return this.#sets.get(set) as Map<string, string>;
  }
}

/** Steps from what is held of one key to what is wanted of it; undefined: nothing. A value is changed by taking the element out first. */
export function stepsTo(set: SetName, key: string, held: string | undefined, wanted: string | undefined): Step[] {
  if (held === wanted) return [];
  return [
    ...(held === undefined ? [] : [{ verb: 'delete', set, key, value: held } as const]),
    ...(wanted === undefined ? [] : [{ verb: 'add', set, key, value: wanted } as const]),
  ];
}

/** Steps from one contents to another, set by set. */
export function diffElements(held: Elements, wanted: Elements): readonly Step[] {
  return setNames.flatMap((set) => {
    const gone = [...held.of(set)].filter(([key]) => wanted.get(set, key) === undefined);
    return [
      ...gone.flatMap(([key, value]) => stepsTo(set, key, value, undefined)),
      ...[...wanted.of(set)].flatMap(([key, value]) => stepsTo(set, key, held.get(set, key), value)),
    ];
  });
}

/** The text of a transaction: deletions first, one command for each set, verdicts out before what they lead to. */
export function transactionText(steps: readonly Step[]): string {
  const lines: string[] = [limitCommands(steps, tableName)];
  for (const verb of ['delete', 'add'] as const) {
    const bySet = Map.groupBy(
      steps.filter((step) => step.verb === verb),
      (step) => step.set,
    );
    const order = verb === 'delete' ? setNames : setNames.toReversed();
    for (const set of order) {
      const own = bySet.get(set);
      if (own !== undefined) lines.push(`${verb} element inet ${tableName} ${set} { ${own.map(print).join(', ')} }\n`);
    }
  }
  return lines.join('');
}

const print = ({ verb, key, value }: Step): string => (verb === 'delete' || value === '' ? key : `${key} : ${value}`);

/**
 * Cuts many steps into transactions of about `most` steps, never between the steps of one VIP: a chunk is a VIP whole or not at all.
 * `groups`: the steps of one VIP each.
 */
export function chunksOf(groups: readonly (readonly Step[])[], most: number): readonly (readonly Step[])[] {
  const chunks: Step[][] = [];
  let last: Step[] | null = null;
  for (const group of groups) {
    if (group.length === 0) continue;
    if (last === null || last.length + group.length > most) chunks.push((last = []));
    last.push(...group);
  }
  return chunks;
}

/**
 * The transactions that `steps` need: one, or a second one that takes away the slots beyond a picker that got smaller. The kernel shows a
 * packet one generation a look-up, not one a packet: a packet that had the picker of before and looks for its slot after would find none.
 */
export function splitShrinking(steps: readonly Step[]): readonly (readonly Step[])[] {
  const repicked = new Set<string>();
  const filled = new Set<string>();
  for (const { verb, set, key } of steps) {
    if (verb !== 'add') continue;
    if (isPicker(set)) repicked.add(key);
    else if (isSlot(set)) filled.add(key);
  }
  const [first, late]: [Step[], Step[]] = [[], []];
  for (const step of steps) {
    const isLate =
      step.verb === 'delete' && isSlot(step.set) && !filled.has(step.key) && repicked.has(vipKeyOf(step.key));
    (isLate ? late : first).push(step);
  }
  return late.length === 0 ? [first] : [first, late];
}

const isPicker = (set: SetName): boolean => set === 'svc4' || set === 'svc6';
const isSlot = (set: SetName): boolean => set === 'be4' || set === 'be6';

/** `IP . PROTOCOL . PORT` of the VIP out of a key that starts with it. */
export const vipKeyOf = (key: string): string => key.split(' . ', 3).join(' . ');
