// Parts of ACME for themselves: the hook of dns-01, the issuer's lock, what authorities say.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { createAcmeMetrics } from '../../../certs/acme/acme-metrics.ts';
import { createDnsHook } from '../../../certs/acme/dns-hook.ts';
import { takeLock } from '../../../certs/acme/issuer-lock.ts';
import { hintFor, metricType, readProblem } from '../../../certs/acme/problem.ts';
import { createFileStore, createMemoryStore } from '../../../src/store/index.ts';
import { createMetrics } from '../../../src/runtime/index.ts';
import { manualClock } from '../../runtime/manual-clock.ts';

t.test('the hook gets action, record and value; it is told of failures and has its time', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-hook-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const hook = (name: string, text: string): string => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
    return join(folder, name);
  };
  const good = createDnsHook({ path: hook('good', `echo "$@" >> ${folder}/calls`), withinMs: 60_000 });
  await good.present('shop.example', 'token', 'token.print');
  await good.withdraw('shop.example', 'token');
  await good.withdraw('shop.example', 'token');
  // printf token.print | openssl dgst -sha256 -binary | base64, with the alphabet of URLs
  const value = 'geGXac0jpnr_GBoGGXIb8nnygzls1TYLC3imeqgZSLw';
  const lines = readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n');
  t.same(lines, [`add _acme-challenge.shop.example ${value}`, `remove _acme-challenge.shop.example ${value}`]);
  const bad = createDnsHook({ path: hook('bad', 'echo no zone >&2; exit 3'), withinMs: 60_000 });
  await t.rejects(bad.present('a.example', 't', 'k'), {
    code: 'ACME_HOOK_FAILED',
    message: /add ended with 3: no zone/,
  });
  const slow = createDnsHook({ path: hook('slow', 'exec sleep 600'), withinMs: 200 });
  await t.rejects(slow.present('a.example', 't', 'k'), { message: /was not done within 0\.2 s/ });
  const absent = createDnsHook({ path: join(folder, 'absent'), withinMs: 60_000 });
  await t.rejects(absent.present('a.example', 't', 'k'), { message: /cannot be run \(ENOENT\)/ });
});

t.test('the lock is for one, is kept as long as its holder lives, and ends with it', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'isthmus-test-lock-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  for (const store of [createMemoryStore(), createFileStore(folder)]) {
    const clock = manualClock();
    const options = { store, storeKey: 'certs/acme/lock.json', clock };
    const settle = (): Promise<unknown> =>
      store.write('certs/acme/other', Buffer.from('')).then(() => store.read('certs/acme/other'));
    const first = await takeLock(options);
    t.ok(first);
    t.equal(await takeLock(options), null);
    for (let i = 0; i < 10; i++) {
      clock.advance(20_000);
      for (let turn = 0; turn < 5; turn++) await settle();
    }
    t.equal(await takeLock(options), null, 'renewed by its holder');
    await first?.release();
    const second = await takeLock(options);
    t.ok(second, 'given back');
    // As if its holder had died: nobody renews it, and time goes on.
    const later = { ...options, clock: { ...clock, now: () => clock.now() + 61_000 } };
    const third = await takeLock(later);
    t.ok(third, 'over');
    clock.advance(20_000);
    while (second?.lost.aborted === false) await settle();
    t.ok(second?.lost.aborted, 'whoever lost it is told');
    await second?.release();
    t.equal(await takeLock(later), null, "and does not take the other's away");
    await third?.release();
  }
});

t.test('sources that ask one authority are shown as one', async (t) => {
  const metrics = createMetrics();
  const numbers = [
    { reachable: true, waiting: 2, nextRenewalSeconds: 500 },
    { reachable: false, waiting: 1, nextRenewalSeconds: null },
  ];
  for (const one of numbers) createAcmeMetrics(metrics, 'ca.example').onRead(() => one);
  createAcmeMetrics(metrics, 'other.example').onRead(() => ({ reachable: true, waiting: 0, nextRenewalSeconds: null }));
  const shown = (name: string): object =>
    metrics
      .read()
      .find((one) => one.name === `isthmus_certs_acme_${name}`)
      ?.values.map(({ labels, value }) => [labels['authority'], value]) ?? [];
  t.same(shown('up'), [
    ['ca.example', 0],
    ['other.example', 1],
  ]);
  t.same(shown('waiting'), [
    ['ca.example', 3],
    ['other.example', 0],
  ]);
  t.same(shown('next_renewal_seconds'), [['ca.example', 500]]);
});

t.test('what authorities say, in a line of bounded length', async (t) => {
  const prefix = 'urn:ietf:params:acme:error:';
  const compound = {
    type: `${prefix}compound`,
    detail: 'Errors\u001b[31m\nin validation',
    subproblems: [{ type: `${prefix}dns`, detail: 'no such name', identifier: { type: 'dns', value: 'a.example' } }],
  };
  const problem = readProblem(compound, 403);
  t.equal(problem.type, 'compound');
  t.equal(problem.detail, 'Errors [31m in validation; a.example: dns: no such name');
  t.equal(readProblem({ detail: 'x'.repeat(10_000) }, 400).detail.length, 400);
  t.same(readProblem('text', 502), { type: '', detail: 'status 502', status: 502 });
  t.equal(metricType('rateLimited'), 'rateLimited');
  t.equal(metricType('made-up'), 'other');
  t.match(hintFor({ type: 'caa', detail: '', status: 403 }), /CAA/);
  t.match(hintFor({ type: 'made-up', detail: '', status: 403 }), /asked again/);
});
