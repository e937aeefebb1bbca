// Forwards over real sockets: who may, in which order targets are tried, and how connections end.

import t from 'tap';
import type { Forward, ForwardsOptions } from '../../../proxies/forwards/index.ts';
import { parseForwardTarget } from '../../../proxies/forwards/target.ts';
import { bindTcp } from '../../../src/runtime/index.ts';
import { closedPort, counted, serve, serveLate, talk } from '../access/scene.ts';
import { echo, echoed, local, open } from './scene.ts';

t.test('by address and by name, private or not', async (t) => {
  const target = await echo(t);
  for (const host of ['127.0.0.1', 'erp.corp.example', 'echo.own']) {
    const { port, base } = await open(t, `${host}:${target}`);
    t.equal(await echoed(port), 'hello', host);
    await new Promise((resolve) => setImmediate(resolve));
    t.equal(counted(base.metrics, 'forwards_sessions_total', { verdict: 'allow', reason: 'finished' }), 1);
    t.equal(counted(base.metrics, 'forwards_bytes_total', { direction: 'down' }), 5);
  }
});

t.test('half-close: FIN, then an answer 300 ms later', async (t) => {
  const target = await serveLate();
  t.teardown(() => target.close());
  const { port } = await open(t, `127.0.0.1:${target.port}`);
  t.equal(await echoed(port), 'late hello');
});

t.test('targets in their order', async (t) => {
  const target = await echo(t);
  const dead = await closedPort();
  const { port } = await open(t, [`127.0.0.1:${dead}`, 'nowhere.example:80', `127.0.0.1:${target}`]);
  t.equal(await echoed(port), 'hello');
});

t.test('VIPs and apps are looked up for each connection', async (t) => {
  const target = await echo(t);
  const asked: string[] = [];
  const dead = { ip: '127.0.0.1', port: await closedPort() };
  const options: Partial<ForwardsOptions> = {
    placesOf({ text }) {
      asked.push(text);
      return asked.length > 2 ? [dead, { ip: '127.0.0.1', port: target }] : { rejected: 'not yet' };
    },
  };
  const { port } = await open(t, ['vip:/erp:1521', 'app:/team/db:sql', 'vip:/erp:1522'], options);
  t.equal(await echoed(port), 'hello');
  t.strictSame(asked, ['vip:/erp:1521', 'app:/team/db:sql', 'vip:/erp:1522'], 'then each backend of one');
});

t.test('nothing that answers: a reset, or FIN where nothing was found', async (t) => {
  const dead = await open(t, `127.0.0.1:${await closedPort()}`);
  await t.rejects(echoed(dead.port), { code: 'ECONNRESET' });
  t.equal(counted(dead.base.metrics, 'forwards_sessions_total', { verdict: 'deny', reason: 'refused' }), 1);
  const unknown = await open(t, 'nowhere.example:80');
  const client = await talk(unknown.port);
  t.equal((await client.rest()).length, 0);
  t.equal(counted(unknown.base.metrics, 'forwards_sessions_total', { reason: 'nonexistent' }), 1);
});

t.test('bandwidth of a connection, and of all of a forward', async (t) => {
  const size = 300_000;
  const target = await serve((socket) => socket.end(Buffer.alloc(size)));
  t.teardown(() => target.close());
  for (const limit of ['connectionBytesPerSecond', 'listenerBytesPerSecond']) {
    const { port } = await open(t, `127.0.0.1:${target.port}`, {}, { limits: { [limit]: 1_000_000 } });
    const startedAt = performance.now();
    t.equal((await (await talk(port)).rest()).length, size);
    // A burst of 100,000 bytes and what one read overdraws come at once.
    t.ok(performance.now() - startedAt > 50, `${limit}: not at once`);
  }
});

t.test('clients outside `from` are closed', async (t) => {
  let reached = 0;
  const target = await serve(() => reached++);
  t.teardown(() => target.close());
  const { port, base } = await open(t, `127.0.0.1:${target.port}`, {}, { from: ['10.0.0.0/8'] });
  const client = await talk(port);
  t.equal((await client.rest()).length, 0);
  t.equal(reached, 0);
  t.equal(counted(base.metrics, 'forwards_sessions_total', { verdict: 'deny', reason: 'denied' }), 1);
});

t.test('a forward to our own listeners is a loop', async (t) => {
  const target = await echo(t);
  const { port, base } = await open(t, `127.0.0.1:${target}`, { ownListeners: () => [`127.0.0.1:${target}`] });
  const client = await talk(port);
  t.equal((await client.rest()).length, 0);
  t.equal(counted(base.metrics, 'forwards_sessions_total', { reason: 'loop' }), 1);
});

t.test('each forward has limits of its own', async (t) => {
  const to = `127.0.0.1:${await echo(t)}`;
  const [narrow, wide] = [bindTcp('127.0.0.1', 0), bindTcp('127.0.0.1', 0)];
  const forwards = [
    { listen: 'narrow', listener: narrow, to, from: local, limits: { connections: 1 } },
    { listen: 'wide', listener: wide, to, from: local },
  ];
  const { base } = await open(t, to, { forwards });
  const first = await talk(narrow.port);
  first.write('x');
  await first.read(1);
  await t.rejects(echoed(narrow.port), { code: 'ECONNRESET' });
  t.equal(await echoed(wide.port), 'hello');
  t.equal(counted(base.metrics, 'forwards_sessions_total', { verdict: 'deny', reason: 'limit' }), 1);
  first.end();
});

t.test('what cannot be read costs the others nothing', async (t) => {
  const target = await echo(t);
  const good = bindTcp('127.0.0.1', 0);
  const to = `127.0.0.1:${target}`;
  const listener = (): Forward['listener'] => bindTcp('127.0.0.1', 0);
  const forwards = [
    { listen: 'x', listener: listener(), to, from: [] },
    { listen: 'x', listener: listener(), to: ['nonsense', 'vip:/x:99999'], from: local },
    { listen: 'good', listener: good, to, from: ['10.0.0', ...local] },
  ];
  const scene = await open(t, to, { forwards });
  t.equal(await echoed(good.port), 'hello');
  t.strictSame(
    scene.problems().map((problem) => problem.split(':')[0]),
    ['forwards[0].from', 'forwards[1].to', 'forwards[1].to', 'forwards[2].from'],
  );
});

t.test('spellings of targets', (t) => {
  t.match(parseForwardTarget('[::1]:80'), { destination: { kind: 'ip', ip: '::1' }, port: 80 });
  t.match(parseForwardTarget('DB.example:1521'), { destination: { name: 'db.example' } });
  t.match(parseForwardTarget('vip:web:80'), { kind: 'vip', name: 'web', port: 80 });
  for (const text of ['', 'x', 'x:0', '127.1:80', 'vip:80', 'app:web:http', 'app:/web', 'http://x:80', '::1:80']) {
    t.ok('rejected' in parseForwardTarget(text), text);
  }
  t.end();
});
