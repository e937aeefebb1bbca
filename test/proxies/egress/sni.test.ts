// requireSniMatch: tunnels that begin with the name of their CONNECT, and those that may not begin.

import t from 'tap';
import { counted, serveEcho, talk } from '../access/scene.ts';
import { helloFor, inRecords } from '../tls/client-hellos.ts';
import { open } from './scene.ts';

t.test('a tunnel begins with the name of its CONNECT, or not at all', async (t) => {
  let reached = 0;
  const echo = await serveEcho();
  echo.server.on('connection', (socket) => socket.once('data', () => reached++));
  t.teardown(() => echo.close());
  const { port, base } = await open(t, { requireSniMatch: true });
  const tunnel = async (target: string, bytes: Buffer, ahead = false): Promise<Buffer> => {
    const client = await talk(port);
    const head = Buffer.from(`CONNECT ${target}:${echo.port} HTTP/1.1\r\nHost: x\r\n\r\n`);
    client.write(ahead ? Buffer.concat([head, bytes]) : head);
    await client.read('HTTP/1.1 200 Connection established\r\n\r\n'.length);
    if (ahead) client.end();
    else client.end(bytes);
    return client.rest();
  };
  const [own, other, none] = await Promise.all(['web.own', 'other.example', ''].map((name) => helloFor(name)));
  if (own === undefined || other === undefined || none === undefined) throw new Error('no hello');
  t.same(await tunnel('web.own', own), own, 'what was looked at goes on');
  t.same(await tunnel('WEB.own', inRecords(own, 50), true), inRecords(own, 50), 'ahead of its turn');
  t.same(await tunnel('127.0.0.1', none), none, 'an address has no name');
  const before = reached;
  for (const [target, bytes] of [
    ['web.own', other],
    ['web.own', none],
    ['127.0.0.1', own],
    ['web.own', Buffer.from('SSH-2.0-x\r\n')],
    ['web.own', own.subarray(0, 50)],
  ] as const)
    await t.rejects(tunnel(target, bytes), `${target} ${bytes.toString('latin1', 0, 4)}`);
  t.equal(reached, before, 'nothing of those reached the target');
  t.equal(counted(base.metrics, 'egress_sessions_total', { verdict: 'deny', reason: 'denied' }), 5);
  t.equal(counted(base.metrics, 'egress_sessions_active', {}), 0);
});
