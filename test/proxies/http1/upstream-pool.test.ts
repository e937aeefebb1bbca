// The queue of a bounded pool: who waits is served in turn, and whoever leaves between turn and connection leaves nothing behind.

import { connect, type Socket } from 'node:net';
import t, { type Test } from 'tap';
import {
  createUpstreamPool,
  type UpstreamCall,
  type UpstreamPool,
  type UpstreamUser,
} from '../../../proxies/http1/index.ts';
import { systemClock } from '../../../src/runtime/index.ts';
import { answering, openBackend, until, type Behaviour } from '../router/scene.ts';

interface TestUser extends UpstreamUser {
  ready: number;
  ended: number;
}

function user(onEnd: () => void = () => undefined): TestUser {
  return {
    ready: 0,
    ended: 0,
    onUpstreamReady(connection: UpstreamCall) {
      this.ready++;
      connection.sendHead('GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'GET', false, '');
      connection.endRequest(null);
    },
    onAnswerEnd() {
      this.ended++;
      onEnd();
    },
    onUpstreamWritable: () => undefined,
    onInformational: () => undefined,
    onAnswer: () => false,
    onSwitched: () => undefined,
    onAnswerBody: () => true,
    onReadEnd: () => undefined,
    onUpstreamFailed: () => undefined,
  };
}

function openPool(t: Test): UpstreamPool {
  const pool = createUpstreamPool({ clock: systemClock, limits: { connectionsPerBackend: 1 } });
  t.teardown(() => pool.destroy());
  return pool;
}

const closing: Behaviour = (socket) =>
  void socket.end('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok');

for (const [how, behaviour] of [
  ['a kept connection', answering('ok')],
  ['a new connection', closing],
] as const) {
  t.test(`who leaves when given ${how} is not served`, async (t) => {
    const backend = await openBackend(t, behaviour);
    const pool = openPool(t);
    const target = { key: 'a', host: '127.0.0.1', port: backend.port };
    const second = user();
    // Its turn has come, but the connection is ready in a later turn of the loop at the earliest.
    const first = user(() => waiting?.cancel());
    const dial = (): Socket => {
      queueMicrotask(() => waiting?.cancel());
      return connect(backend.port, '127.0.0.1');
    };
    pool.acquire(target, first);
    const waiting = pool.acquire(how === 'a new connection' ? { ...target, dial } : target, second);
    if (how === 'a new connection') first.onAnswerEnd = () => undefined;
    await until(() => pool.counts().open === 0);
    t.same({ ready: second.ready, heads: backend.heads.length }, { ready: 0, heads: 1 });
    const third = user();
    pool.acquire(target, third);
    await until(() => third.ended === 1);
    t.equal(backend.heads.length, 2, 'the next one is served');
  });
}

t.test('a backend that has gone: its connections under other names, too', async (t) => {
  const backend = await openBackend(t, answering('ok'));
  const pool = openPool(t);
  const keys = ['10.0.0.1:80', '10.0.0.1:80 tls a', '10.0.0.1:8080'];
  const users = keys.map(() => user());
  keys.forEach((key, i) => pool.acquire({ key, host: '127.0.0.1', port: backend.port }, users[i] as TestUser));
  await until(() => users.every(({ ended }) => ended === 1));
  pool.retire('10.0.0.1:80');
  await until(() => pool.counts().open === 1);
  t.equal(pool.counts('10.0.0.1:8080').idle, 1);
});
