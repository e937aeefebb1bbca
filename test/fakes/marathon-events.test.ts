// /v2/events byte by byte: CRLF frames without chunks, the heartbeat in two halves, filters and cut-offs.
import net from 'node:net';
import t from 'tap';
import type { Test } from 'tap';
import { createFakeCluster, startFakeMarathon } from '../../src/fakes/index.ts';
import type { FakeMarathonOptions } from '../../src/fakes/index.ts';
import { open, raw, request } from './wire.ts';

async function setUp(t: Test, options: FakeMarathonOptions = {}) {
  const cluster = createFakeCluster();
  cluster.addAgent();
  const marathon = await startFakeMarathon(cluster, options);
  t.teardown(() => marathon.close());
  return { cluster, marathon };
}

const ACCEPT = { headers: { accept: 'text/event-stream' } };

function names(text: string): string[] {
  return [...text.matchAll(/^event: (\w+)\r$/gm)].map(([, name = '']) => name);
}

void t.test('the head and the frames', async (t) => {
  const { marathon } = await setUp(t, { heartbeatMs: 30 });
  const head = 'GET /v2/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAccept-Encoding: gzip\r\n\r\n';
  const { text, segments } = await raw(marathon.url, head, (bytes) => bytes.endsWith('\r\n\r\n\r\n'));
  t.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  t.match(text, /\r\ncontent-type: text\/event-stream;charset=utf-8\r\n/i);
  t.match(text, /\r\nconnection: close\r\n/i);
  t.notMatch(text, /transfer-encoding|content-length|content-encoding/i);
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  t.match(body, /^event: event_stream_attached\r\ndata: \{.*"eventType":"event_stream_attached".*\}\r\n\r\n\r\n$/);
  t.same(segments.slice(-2), ['\r', '\n'], 'the heartbeat comes in halves');
});

void t.test('405 without the exact Accept', async (t) => {
  const { marathon } = await setUp(t);
  t.equal((await request(`${marathon.url}/v2/events`)).status, 405);
  t.equal((await request(`${marathon.url}/v2/events`, { headers: { accept: '*/*' } })).status, 405);
});

void t.test('what a launch, a health change and a deployment tell', async (t) => {
  const { marathon } = await setUp(t);
  const stream = await open(`${marathon.url}/v2/events`, ACCEPT);
  await marathon.deploy({ id: '/a', healthChecks: [{ protocol: 'HTTP', path: '/' }], portDefinitions: [{ port: 0 }] });
  const text = (await stream.until((bytes) => bytes.includes('deployment_success'))).toString();
  t.same(names(text), [
    'event_stream_attached',
    'deployment_info',
    'instance_changed_event',
    'status_update_event',
    'instance_changed_event',
    'status_update_event',
    'instance_changed_event',
    'health_status_changed_event',
    'instance_health_changed_event',
    'deployment_step_success',
    'group_change_success',
    'deployment_success',
  ]);
  stream.close();
});

void t.test('the filter hides even the attachment', async (t) => {
  const { marathon } = await setUp(t);
  const stream = await open(`${marathon.url}/v2/events?event_type=a&event_type=b`, ACCEPT);
  for (const type of ['a', 'c', 'b']) marathon.emit(type);
  t.same(names((await stream.until((bytes) => bytes.includes('event: b'))).toString()), ['a', 'b']);
  stream.close();
});

void t.test('dropped and unordered events', async (t) => {
  const { marathon } = await setUp(t);
  const stream = await open(`${marathon.url}/v2/events?event_type=a&event_type=b&event_type=c`, ACCEPT);
  const faults = marathon.faults();
  faults.dropEvents = 1;
  marathon.emit('c');
  faults.dropEvents = 0;
  faults.unorderedEvents = true;
  marathon.emit('a');
  marathon.emit('b');
  t.same(names((await stream.until((bytes) => bytes.includes('event: a'))).toString()), ['b', 'a']);
  stream.close();
});

void t.test('a slow reader is cut off', async (t) => {
  const { marathon } = await setUp(t);
  const { hostname, port } = new URL(marathon.url);
  const socket = net.connect(Number(port), hostname);
  await new Promise((resolve) =>
    socket.write('GET /v2/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n', resolve),
  );
  while (marathon.subscribers() === 0) await new Promise((resolve) => setImmediate(resolve));
  const padding = 'x'.repeat(64 * 1024);
  while (marathon.subscribers() > 0) {
    marathon.emit('big', { padding });
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.pass('closed, as since 1.8');
  socket.destroy();
});

void t.test('lost leadership ends the stream', async (t) => {
  const { marathon } = await setUp(t);
  const stream = await open(`${marathon.url}/v2/events`, ACCEPT);
  marathon.lead(null);
  t.equal(await stream.ended, 'end');
});
