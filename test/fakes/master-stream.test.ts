// The event stream's framing and each way in which it can be disturbed.
import { gunzipSync } from 'node:zlib';
import t from 'tap';
import type { Test } from 'tap';
import { createBigCluster, createFakeCluster, startFakeMasters } from '../../src/fakes/index.ts';
import type { FakeMastersOptions } from '../../src/fakes/index.ts';
import { call, records, recordsUntil, subscribe } from './wire.ts';

async function setUp(t: Test, options: FakeMastersOptions = {}) {
  const cluster = createFakeCluster();
  cluster.addAgent({ zone: 'a' });
  const framework = cluster.addFramework({ name: 'marathon' });
  const masters = await startFakeMasters(cluster, options);
  t.teardown(() => masters.close());
  const launch = (taskId: string) => cluster.launch({ framework, name: 'web.한국', taskId, ports: [{ name: 'http' }] });
  return { cluster, framework, masters, launch };
}

void t.test('SUBSCRIBED, HEARTBEAT, then events, a record a chunk', async (t) => {
  const { cluster, masters, launch } = await setUp(t);
  launch('before');
  const stream = await subscribe(masters.url());
  t.equal(stream.headers['content-type'], 'application/json');
  t.equal(stream.headers['transfer-encoding'], 'chunked');
  await recordsUntil(stream, 2);
  launch('after');
  cluster.running('after', { healthy: true });
  const events = await recordsUntil(stream, 4);
  t.same(
    events.map(({ type }) => type),
    ['SUBSCRIBED', 'HEARTBEAT', 'TASK_ADDED', 'TASK_UPDATED'],
  );
  t.match(events[0], {
    subscribed: {
      heartbeat_interval_seconds: 15,
      get_state: { get_tasks: { tasks: [{ task_id: { value: 'before' } }] } },
    },
  });
  t.match(events[2], { task_added: { task: { name: 'web.한국', state: 'TASK_STAGING' } } });
  t.notOk(events[2]?.['statuses']);
  t.match(stream.chunks[0]?.toString(), /^\d+\n\{"type":"SUBSCRIBED"/);
  stream.close();
});

void t.test('records torn anywhere, even inside a character', async (t) => {
  const { masters, launch } = await setUp(t, { faults: { chunkBytes: 3 } });
  const stream = await subscribe(masters.url());
  launch('torn');
  const events = await recordsUntil(stream, 3);
  t.ok(stream.chunks.length > 20);
  t.match(events[2], { task_added: { task: { name: 'web.한국' } } });
  stream.close();
});

void t.test('heartbeats by interval, off, and absent before 1.5', async (t) => {
  const { masters } = await setUp(t, { heartbeatMs: 20 });
  const stream = await subscribe(masters.url());
  const events = await recordsUntil(stream, 4);
  t.same(
    events.slice(1).map(({ type }) => type),
    ['HEARTBEAT', 'HEARTBEAT', 'HEARTBEAT'],
  );
  t.match(events[0], { subscribed: { heartbeat_interval_seconds: 0.02 } });
  stream.close();
  const old = await setUp(t, { version: '1.4', heartbeatMs: 5 });
  const silent = await subscribe(old.masters.url());
  await recordsUntil(silent, 1);
  old.launch('one');
  const seen = await recordsUntil(silent, 2);
  t.same(
    seen.map(({ type }) => type),
    ['SUBSCRIBED', 'TASK_ADDED'],
  );
  t.notMatch(JSON.stringify(seen[0]), 'heartbeat_interval_seconds');
  t.match(silent.bytes().toString(), /\{"subscribed":\{"get_state":.*"type":"SUBSCRIBED"\}/s, 'type comes last');
  silent.close();
});

void t.test('a stall holds bytes back and lets them go', async (t) => {
  const { masters, launch } = await setUp(t);
  const stream = await subscribe(masters.url());
  await recordsUntil(stream, 2);
  masters.faults().stall = true;
  const before = stream.bytes().length;
  launch('held');
  t.equal((await call(masters.url(), 'GET_TASKS')).status, 200, 'other requests go on');
  t.equal(stream.bytes().length, before);
  masters.faults().stall = false;
  t.equal((await recordsUntil(stream, 3)).at(-1)?.type, 'TASK_ADDED');
  stream.close();
});

void t.test('half-open: no byte, no answer, no close', async (t) => {
  const { masters, launch } = await setUp(t);
  const stream = await subscribe(masters.url());
  await recordsUntil(stream, 2);
  const before = stream.bytes().length;
  masters.faults().halfOpen = true;
  launch('unheard');
  const unanswered = call(masters.url(), 'GET_HEALTH').then(
    () => 'answered',
    () => 'failed',
  );
  const first = await Promise.race([
    unanswered,
    stream.ended,
    new Promise((resolve) => setTimeout(resolve, 100, 'silence')),
  ]);
  t.equal(first, 'silence');
  t.equal(stream.bytes().length, before);
  stream.close();
});

void t.test('silent before SUBSCRIBED', async (t) => {
  const { masters } = await setUp(t, { faults: { silentSubscribe: true }, heartbeatMs: 5 });
  const stream = await subscribe(masters.url());
  t.equal(stream.headers['content-type'], 'application/json');
  await call(masters.url(), 'GET_HEALTH');
  t.equal(stream.bytes().length, 0);
  stream.close();
});

void t.test('one-time disturbances', async (t) => {
  const { masters } = await setUp(t);
  const disturbed = async (what: Parameters<typeof masters.disturb>[1]) => {
    const stream = await subscribe(masters.url());
    await recordsUntil(stream, 2);
    const before = stream.bytes().length;
    masters.disturb(0, what);
    return { stream, before };
  };
  for (const [what, how] of [
    ['reset', 'error'],
    ['end', 'end'],
    ['end-mid-record', 'end'],
    ['cut-mid-record', 'error'],
  ] as const) {
    const { stream } = await disturbed(what);
    t.equal(await stream.ended, how, what);
    if (what.endsWith('record')) t.match(stream.bytes().toString(), /4000\n\{"type":"TASK_ADDED"[^}]*$/);
  }
  for (const [what, pattern] of [
    ['bad-length', /12x4\n/],
    ['oversized-length', /999999999999\n/],
    ['empty-record', /0\n$/],
    ['unknown-event', /MAINTENANCE_SCHEDULED/],
  ] as const) {
    const { stream, before } = await disturbed(what);
    const bytes = await stream.until((all) => all.length > before);
    t.match(bytes.subarray(before).toString(), pattern, what);
    stream.close();
  }
  const { stream, before } = await disturbed('invalid-utf8');
  const bytes = await stream.until((all) => records(all).length === 3);
  t.throws(() => new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(before)));
  t.equal(records(bytes)[2]?.type, 'TASK_UPDATED', 'well framed none the less');
  stream.close();
});

void t.test('the oldest subscriber goes when there are too many', async (t) => {
  const { masters } = await setUp(t, { faults: { subscriberLimit: 2 } });
  const streams = [await subscribe(masters.url()), await subscribe(masters.url()), await subscribe(masters.url())];
  t.equal(await streams[0]?.ended, 'end');
  await recordsUntil(streams[2] as (typeof streams)[number], 2);
  t.equal(masters.subscribers(0), 2);
  for (const stream of streams) stream.close();
});

void t.test('a principal without rights sees agents alone', async (t) => {
  const { masters, launch } = await setUp(t, { faults: { emptyView: true } });
  launch('hidden');
  const stream = await subscribe(masters.url());
  const [first] = await recordsUntil(stream, 1);
  t.match(first, {
    subscribed: {
      get_state: {
        get_tasks: { tasks: [] },
        get_frameworks: { frameworks: [] },
        get_agents: { agents: [{ total_resources: [] }] },
      },
    },
  });
  stream.close();
});

void t.test('a proxy that compresses the stream', async (t) => {
  const { masters } = await setUp(t, { faults: { gzipStream: true } });
  const stream = await subscribe(masters.url());
  t.equal(stream.headers['content-encoding'], 'gzip');
  const bytes = await stream.until((all) => all.length > 100);
  t.match(gunzipSync(bytes, { finishFlush: 2 }).toString(), /^\d+\n\{"type":"SUBSCRIBED"/);
  stream.close();
});

void t.test('lost leadership ends streams; a killed master resets them and can come back', async (t) => {
  const { masters } = await setUp(t, { count: 2 });
  const first = await subscribe(masters.url());
  await recordsUntil(first, 2);
  masters.lead(1);
  t.equal(await first.ended, 'end');
  const second = await subscribe(masters.url());
  await recordsUntil(second, 2);
  const { address } = { address: masters.url(1) };
  await masters.kill(1);
  t.equal(await second.ended, 'error');
  await t.rejects(call(address, 'GET_HEALTH'), { code: 'ECONNREFUSED' });
  await masters.start(1);
  t.equal((await call(address, 'GET_HEALTH')).status, 200, 'on its old port');
});

void t.test('a big cluster is streamed, and its events fit its snapshot', async (t) => {
  const big = createBigCluster({ agents: 50, tasks: 2000 });
  const masters = await startFakeMasters(big);
  t.teardown(() => masters.close());
  const stream = await subscribe(masters.url());
  const [first] = await recordsUntil(stream, 2);
  const state = (
    first as unknown as { subscribed: { get_state: { get_tasks: { tasks: { task_id: { value: string } }[] } } } }
  ).subscribed.get_state;
  t.equal(state.get_tasks.tasks.length, 2000);
  big.replaceTasks(1);
  big.flip(1);
  const events = (await recordsUntil(stream, 7)).slice(2);
  t.same(
    events.map(({ type }) => type),
    ['TASK_UPDATED', 'TASK_UPDATED', 'TASK_ADDED', 'TASK_UPDATED', 'TASK_UPDATED'],
  );
  t.match(events[0], { task_updated: { status: { task_id: { value: state.get_tasks.tasks[0]?.task_id.value } } } });
  t.match(events[4], { task_updated: { status: { healthy: false } } });
  stream.close();
});
