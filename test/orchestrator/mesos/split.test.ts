// The splitter against JSON.parse: any document, any chunks, the same elements and the same rest.

import { deepStrictEqual } from 'node:assert/strict';
import fc from 'fast-check';
import t from 'tap';
import { createSplitter } from '../../../src/orchestrator/mesos/split.ts';

interface Split {
  readonly elements: Readonly<Record<string, unknown[]>>;
  readonly skeleton: unknown;
  readonly bad: readonly { readonly path: string; readonly offset: number }[];
}

/** Splits `bytes` in chunks of the given sizes, again and again; chunks are overwritten after each push. */
function split(
  bytes: Buffer,
  sizes: readonly number[],
  paths: readonly string[],
  dropped: readonly string[] = [],
  most = 1000,
): Split {
  const elements: Record<string, unknown[]> = Object.fromEntries(paths.map((path) => [path, []]));
  const bad: { path: string; offset: number }[] = [];
  const splitter = createSplitter({
    cuts: [
      ...paths.map((path) => ({ path, take: (element: unknown) => void elements[path]?.push(element) })),
      ...dropped.map((path) => ({ path, take: null })),
    ],
    onBadElement: (path, _reason, offset) => bad.push({ path, offset }),
    mostElementBytes: most,
  });
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    splitter.push(chunk);
    chunk.fill(0x5d);
    at += size;
  }
  return { elements, skeleton: splitter.end(), bad };
}

t.test('random documents in random chunks', async (t) => {
  const value = fc.jsonValue({ maxDepth: 3 });
  const document = fc.record({
    before: value,
    tasks: fc.array(value),
    deep: fc.record({ 'k\n"é': fc.array(value) }),
    after: value,
  });
  const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 });
  fc.assert(
    fc.property(document, sizes, fc.boolean(), (original, chunks, pretty) => {
      const bytes = Buffer.from(JSON.stringify(original, null, pretty ? 2 : 0));
      const { elements, skeleton, bad } = split(bytes, chunks, ['tasks', 'deep.k\n"é'], [], 1e6);
      const wanted = JSON.parse(bytes.toString()) as typeof original;
      deepStrictEqual(bad, []);
      deepStrictEqual(elements['tasks'], wanted.tasks);
      deepStrictEqual(elements['deep.k\n"é'], wanted.deep['k\n"é']);
      deepStrictEqual(skeleton, { ...wanted, tasks: [], deep: { 'k\n"é': [] } });
    }),
    { numRuns: 500, seed: 11 },
  );
  t.pass('all alike');
});

t.test('arrays on the way to an array do not count', async (t) => {
  const text = '{"frameworks":[{"id":"a","tasks":[1,2]},{"tasks":[3],"id":"b"}],"tasks":[4]}';
  const { elements, skeleton } = split(Buffer.from(text), [3], ['frameworks.tasks']);
  t.same(elements, { 'frameworks.tasks': [1, 2, 3] });
  t.same(skeleton, {
    frameworks: [
      { id: 'a', tasks: [] },
      { tasks: [], id: 'b' },
    ],
    tasks: [4],
  });
});

t.test('dropped arrays leave nothing, and a section that is no array stays', async (t) => {
  const text = '{"completed":[{"x":"]"},{"y":"\\"]"}],"tasks":{}}';
  const { elements, skeleton } = split(Buffer.from(text), [1], ['tasks'], ['completed']);
  t.same(elements, { tasks: [] });
  t.same(skeleton, { completed: [], tasks: {} });
});

t.test('an element that is not JSON or is too large costs its neighbours nothing', async (t) => {
  const large = JSON.stringify('x'.repeat(1001));
  const text = `{"tasks":[1,NaN,{"a":}, ${large} ,2]}`;
  for (const size of [1, 7, 5000]) {
    const { elements, bad } = split(Buffer.from(text), [size], ['tasks']);
    t.same(elements['tasks'], [1, 2]);
    t.same(
      bad.map((one) => one.offset),
      [text.indexOf('NaN'), text.indexOf('{"a"'), text.indexOf(large)],
    );
  }
});

t.test('bytes that are not UTF-8 are replaced, not refused', async (t) => {
  const bytes = Buffer.concat([Buffer.from('{"tasks":["'), Buffer.of(0xff, 0xfe), Buffer.from('"]}')]);
  t.same(split(bytes, [1], ['tasks']).elements, { tasks: ['\ufffd\ufffd'] });
});

t.test('a document that is cut short is not taken for a whole one', async (t) => {
  const text = '{"tasks":[1,2],"rest":{"a":1}}';
  for (let end = 0; end < text.length; end++) {
    t.throws(() => split(Buffer.from(text.slice(0, end)), [4], ['tasks']), SyntaxError, `cut after ${end}`);
  }
});

t.test('long strings with quotes and backslashes in them, cut anywhere', async (t) => {
  const piece = fc.constantFrom('"', '\\', '\\"', '\\\\', ']', '},{', 'é', 'x'.repeat(30), 'y'.repeat(70));
  const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
  const sizes = fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(
      fc.array(fc.oneof(text, fc.record({ a: text }, { noNullPrototype: true }), fc.array(text))),
      sizes,
      (tasks, chunks) => {
        const { elements, skeleton, bad } = split(Buffer.from(JSON.stringify({ tasks })), chunks, ['tasks'], [], 1e6);
        deepStrictEqual(bad, []);
        deepStrictEqual(elements['tasks'], tasks);
        deepStrictEqual(skeleton, { tasks: [] });
      },
    ),
    { numRuns: 500, seed: 12 },
  );
  t.pass('all alike');
});
