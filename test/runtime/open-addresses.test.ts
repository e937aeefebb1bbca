// Addresses that come and go by name, and what is told of their changes.

import { deepStrictEqual } from 'node:assert';
import fc from 'fast-check';
import t from 'tap';
import { OpenAddresses } from '../../src/runtime/index.ts';

t.test('of several addresses under a name one is told, until the last is gone', async (t) => {
  const addresses = new OpenAddresses();
  addresses.add('tcp b:80', '127.0.0.2:80');
  addresses.add('tcp b:80', '127.0.0.9:80');
  addresses.add('tcp a:80', '127.0.0.1:80');
  t.strictSame(addresses.all(), { 'tcp a:80': '127.0.0.1:80', 'tcp b:80': '127.0.0.9:80' });
  addresses.takeChange();
  addresses.delete('tcp b:80', '127.0.0.9:80');
  t.strictSame(addresses.takeChange(), { set: [['tcp b:80', '127.0.0.2:80']], removed: [] });
  addresses.clear();
  t.strictSame(addresses.takeChange(), { set: [], removed: ['tcp b:80', 'tcp a:80'] });
  t.equal(addresses.takeChange(), null);
});

t.test('changes lead to what is there, whenever they are asked for', async (t) => {
  const step = fc.record({
    name: fc.constantFrom('a', 'b', 'c'),
    address: fc.constantFrom('1', '2', '3'),
    ask: fc.boolean(),
  });
  t.doesNotThrow(() =>
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        const addresses = new OpenAddresses();
        const open = new Set<string>();
        const followed = new Map<string, string>();
        const follow = (): void => {
          const { set, removed } = addresses.takeChange() ?? { set: [], removed: [] };
          for (const name of removed) followed.delete(name);
          for (const [name, address] of set) followed.set(name, address);
        };
        for (const { name, address, ask } of steps) {
          if (open.delete(name + address)) addresses.delete(name, address);
          else {
            open.add(name + address);
            addresses.add(name, address);
          }
          if (ask) follow();
        }
        follow();
        const wanted = Object.fromEntries([...open].sort().map((one) => [one.charAt(0), one.slice(1)]));
        deepStrictEqual({ ...addresses.all() }, wanted);
        deepStrictEqual(Object.fromEntries(followed), wanted);
      }),
      { numRuns: 100, seed: 7 },
    ),
  );
});
