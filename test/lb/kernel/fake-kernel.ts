// A kernel for tests: takes transactions as nft does, strict about what is there and what is not, and prints its ruleset.

import { Elements, setNames, type SetName } from '../../../lb/kernel/elements.ts';
import type { HeldTable, Kernel } from '../../../lb/kernel/kernel.ts';

export interface FakeKernel extends Kernel {
  /** Texts of the transactions so far. */
  readonly transactions: string[];
  /** What the transactions that were taken left behind, in turn. */
  readonly generations: Elements[];
  /** Fails the next transaction. */
  failNext(): void;
  /** Somebody flushes the ruleset. */
  flush(): void;
  /** Somebody takes an element out. */
  damage(set: SetName, key: string): void;
  count(set: SetName, key: string, packets: number): void;
  /** Elements as sorted text. */
  print(): string;
}

interface State {
  elements: Elements;
  rules: Map<string, number>;
}

export function createFakeKernel(): FakeKernel {
  let state: State | null = null;
  let fails = false;
  const counts = new Map<string, number>();
  const watchers = new Set<() => void>();
  const transactions: string[] = [];
  const generations: Elements[] = [];
  return {
    transactions,
    generations,
    read: () =>
      Promise.resolve(
        state === null
          ? null
          : ({
              elements: copy(state.elements),
              rules: new Map(state.rules),
              counts: new Map(counts),
            } satisfies HeldTable),
      ),
    transact(text) {
      transactions.push(text);
      if (fails) {
        fails = false;
        return Promise.reject(new Error('told to fail'));
      }
      try {
        state = applied(state, text);
        generations.push(state === null ? new Elements() : copy(state.elements));
        return Promise.resolve();
      } catch (error) {
        return Promise.reject(error as Error);
      }
    },
    watch(onGone) {
      watchers.add(onGone);
      return { close: () => void watchers.delete(onGone) };
    },
    failNext: () => void (fails = true),
    flush() {
      state = null;
      for (const watcher of watchers) watcher();
    },
    damage(set, key) {
      const value = state?.elements.get(set, key) ?? '';
      state?.elements.follow([{ verb: 'delete', set, key, value }]);
    },
    count: (set, key, packets) => void counts.set(`${set} ${key}`, packets),
    print: () => (state === null ? 'no table\n' : printElements(state.elements)),
  };
}

function printElements(elements: Elements): string {
  return setNames
    .flatMap((set) => [...elements.of(set)].map(([key, value]) => `${set} ${key}${value === '' ? '' : ` : ${value}`}`))
    .sort()
    .join('\n');
}

/** The state after a transaction, or an error and nothing changed. */
function applied(before: State | null, text: string): State | null {
  let state: State | null = before === null ? null : { elements: copy(before.elements), rules: new Map(before.rules) };
  let chain: string | null = null;
  for (const line of text.split('\n').map((one) => one.trim())) {
    const [, verb, set, body] = /^(add|delete) element inet isthmus (\S+) \{ (.*) \}$/.exec(line) ?? [];
    if (line === 'delete table inet isthmus') state = null;
    else if (line.startsWith('table inet isthmus')) state ??= { elements: new Elements(), rules: new Map() };
    else if (/^(add|flush) (set|chain|rule) inet isthmus /.test(line)) command(state, line);
    else if (verb !== undefined) change(state, verb, set as SetName, body ?? '');
    else if (line.startsWith('chain ')) {
      chain = line.split(' ')[1] ?? '';
      state?.rules.set(chain, 0);
      if (line.endsWith('}')) chain = null;
    } else if (line === '}') chain = null;
    else if (chain !== null && line !== '' && !line.startsWith('type '))
      state?.rules.set(chain, (state.rules.get(chain) ?? 0) + 1);
  }
  return state;
}

/** `add set`, `add chain`, `flush chain`, `add rule`. */
function command(state: State | null, line: string): void {
  const [verb, kind, , , name = ''] = line.split(' ');
  if (state === null) throw new Error('No such file or directory: table');
  const rules = state.rules.get(name);
  if (kind === 'set') return;
  if (verb === 'add' && kind === 'chain') state.rules.set(name, rules ?? 0);
  else if (rules === undefined) throw new Error(`No such file or directory: ${name}`);
  else state.rules.set(name, verb === 'flush' ? 0 : rules + 1);
}

function change(state: State | null, verb: string, set: SetName, body: string): void {
  if (state === null) throw new Error('No such file or directory: table');
  for (const text of body.split(', ')) {
    const [key = '', value = ''] = text.split(' : ');
    const held = state.elements.get(set, key);
    if (verb === 'delete' && held === undefined) throw new Error(`No such file or directory: ${set} ${key}`);
    if (verb === 'add' && held !== undefined && held !== value) throw new Error(`File exists: ${set} ${key}`);
    state.elements.follow([{ verb: verb as 'add' | 'delete', set, key, value }]);
  }
}

function copy(elements: Elements): Elements {
  const made = new Elements();
  for (const set of setNames) for (const [key, value] of elements.of(set)) made.put(set, key, value);
  return made;
}
