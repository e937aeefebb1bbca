// Addresses of VIPs that several daemons agree on through one store, and that survive a restart.

import t from 'tap';
import { createAddressAllocator } from '../../lb/index.ts';
import { createAllocation, loadAddresses } from '../../src/daemon/allocation.ts';
import type { Store } from '../../src/ports/index.ts';
import { silentLogger, systemClock } from '../../src/runtime/index.ts';
import { turns } from '../runtime/loopback.ts';
import { manualClock } from '../runtime/manual-clock.ts';

function memoryStore(): Store {
  const values = new Map<string, Uint8Array>();
  const same = (a: Uint8Array | null, b: Uint8Array | null): boolean =>
    a === null || b === null ? a === b : Buffer.from(a).equals(b);
  return {
    read: (key) => Promise.resolve(values.get(key) ?? null),
    write: (key, value) => Promise.resolve(void values.set(key, value)),
    compareAndSet(key, expected, value) {
      if (!same(values.get(key) ?? null, expected)) return Promise.resolve(false);
      if (value === null) values.delete(key);
      else values.set(key, value);
      return Promise.resolve(true);
    },
    list: () => Promise.resolve([...values.keys()]),
  };
}

/** A daemon's half: names come, addresses are told. */
interface Edge {
  want(...names: readonly string[]): Promise<Record<string, string>>;
  /** How often it was told that its addresses moved. */
  readonly moves: number;
}

async function edge(store: Store): Promise<Edge> {
  const ranges = { range: '11.0.0.0-11.255.255.255', range6: 'fd01:c::/64', ipv6: false };
  const state = await loadAddresses(store, silentLogger);
  const allocator = createAddressAllocator({ ...ranges, clock: manualClock(), state });
  if ('rejected' in allocator) throw new Error(allocator.rejected);
  let names: readonly string[] = [];
  let version = 0;
  const wanted = {
    wantedNames: () => names,
    explicitAddresses: () => [],
    get namesVersion() {
      return version;
    },
  };
  const allocation = createAllocation(wanted, allocator, store, { clock: systemClock, log: silentLogger });
  const known: Record<string, string> = {};
  let moves = 0;
  allocation.watch(() => void moves++);
  return {
    get moves() {
      return moves;
    },
    async want(...next) {
      if (next.length > 0) {
        names = next;
        version++;
      }
      for (const event of allocation.assign())
        if (event.type === 'allocated') known[event.name] = event.allocation?.ip4 ?? '';
      await turns(10);
      return { ...known };
    },
  };
}

/** Two names with one first candidate. */
const [one, two] = ['svc-883.marathon', 'svc-2367.marathon'] as const;

t.test('who writes first gives the address, the other follows', async (t) => {
  const store = memoryStore();
  const [a, b] = [await edge(store), await edge(store)];
  t.strictSame(await a.want(one), { [one]: '11.244.78.47' });
  t.strictSame(await b.want(two), { [two]: '11.244.78.47' }, 'not heard of the other yet');
  t.equal(b.moves, 1, 'who lost is told at once, not with its next change');
  t.equal(a.moves, 0);
  t.strictSame(await b.want(), { [two]: '11.244.78.48' }, 'heard when it wrote');
  const agreed = { [one]: '11.244.78.47', [two]: '11.244.78.48' };
  t.strictSame(await b.want(one, two), agreed);
  await a.want(one, two);
  t.strictSame(await a.want(), agreed);
});

t.test('a restart keeps what a conflict decided', async (t) => {
  const store = memoryStore();
  const first = await edge(store);
  await first.want(one);
  const agreed = await first.want(one, two);
  t.strictSame(await (await edge(store)).want(two, one), agreed);
});
