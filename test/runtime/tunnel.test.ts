// Tunnels on real sockets: FIN, RST, back-pressure, time limits and integrity, with plain and with pooled upstream sockets.

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t from 'tap';
import {
  connectForTunnel,
  openTunnel,
  systemClock,
  type Tunnel,
  type TunnelOptions,
  type TunnelResult,
} from '../../src/runtime/index.ts';
import { closeCode, dialPlain, readAll, socketPair, turns } from './loopback.ts';
import { manualClock } from './manual-clock.ts';

interface Ends {
  readonly client: Socket;
  readonly backend: Socket;
  readonly tunnel: Tunnel;
  readonly ended: Promise<TunnelResult>;
}

async function tunnelled(dial: (port: number) => Socket, options: Partial<TunnelOptions> = {}): Promise<Ends> {
  const [below, above] = await Promise.all([socketPair(), socketPair(dial)]);
  let tunnel: Tunnel | undefined;
  const ended = new Promise<TunnelResult>((onEnd) => {
    tunnel = openTunnel(below.server, above.client, {
      idleMs: 0,
      halfCloseMs: 0,
      clock: systemClock,
      onEnd,
      ...options,
    });
  });
  return { client: below.client, backend: above.server, tunnel: tunnel as Tunnel, ended };
}

const dials = {
  plain: dialPlain,
  pooled: (port: number): Socket => connectForTunnel({ host: '127.0.0.1', port }),
};

for (const [kind, dial] of Object.entries(dials)) {
  t.test(`${kind}: the client ends first and the answer comes late`, async (t) => {
    const { client, backend, ended } = await tunnelled(dial);
    client.end('question');
    t.equal(String(await readAll(backend)), 'question');
    t.equal(client.readableEnded, false, 'the FIN went one way only');
    backend.write('answer ');
    await turns(5);
    backend.end('late');
    t.equal(String(await readAll(client)), 'answer late');
    t.match(await ended, { halfClosed: 'downstream', bytesUp: 8, bytesDown: 11, reason: 'finished' });
  });

  t.test(`${kind}: the backend ends first and still reads`, async (t) => {
    const { client, backend, ended } = await tunnelled(dial);
    backend.end('banner');
    t.equal(String(await readAll(client)), 'banner');
    client.end('after');
    t.equal(String(await readAll(backend)), 'after');
    t.match(await ended, { halfClosed: 'upstream', bytesUp: 5, bytesDown: 6, reason: 'finished' });
  });

  t.test(`${kind}: a reset of the client resets the backend`, async (t) => {
    const { client, backend, ended } = await tunnelled(dial);
    client.write('x');
    await once(backend.resume(), 'data');
    const code = closeCode(backend);
    client.resetAndDestroy();
    t.equal(await code, 'ECONNRESET');
    t.match(await ended, { bytesUp: 1, reason: 'downstream-reset' });
  });

  t.test(`${kind}: a reset of the backend resets the client`, async (t) => {
    const { client, backend, ended } = await tunnelled(dial);
    backend.write('x');
    await once(client, 'data');
    const code = closeCode(client);
    backend.resetAndDestroy();
    t.equal(await code, 'ECONNRESET');
    t.match(await ended, { bytesDown: 1, reason: 'upstream-reset' });
  });

  t.test(`${kind}: a reset after a FIN is a reset still`, async (t) => {
    const { client, backend, ended } = await tunnelled(dial);
    client.end('q');
    await readAll(backend);
    const code = closeCode(client);
    backend.resetAndDestroy();
    t.equal(await code, 'ECONNRESET');
    t.match(await ended, { reason: 'upstream-reset' });
  });

  t.test(`${kind}: destroy resets both and is told once`, async (t) => {
    const { client, backend, tunnel, ended } = await tunnelled(dial);
    const codes = Promise.all([closeCode(client), closeCode(backend)]);
    await turns(2);
    tunnel.destroy();
    tunnel.destroy();
    t.strictSame(await codes, ['ECONNRESET', 'ECONNRESET']);
    t.match(await ended, { reason: 'destroyed' });
  });

  t.test(`${kind}: a reader that stops stops the writer`, async (t) => {
    const { client, backend, tunnel, ended } = await tunnelled(dial);
    client.pause();
    const chunk = randomBytes(256 * 1024);
    let sent = 0;
    // The writer offers up to 64 MiB; what the kernel and the tunnel take is far less.
    while (sent < 64 * 1024 * 1024) {
      const goesOn = backend.write(chunk);
      sent += chunk.length;
      if (!goesOn && !(await Promise.race([once(backend, 'drain').then(() => true), turns(200).then(() => false)])))
        break;
    }
    t.ok(sent < 64 * 1024 * 1024, `stopped after ${sent} bytes`);
    t.ok(tunnel.bytesDown < sent);
    backend.end();
    let received = 0;
    client.on('data', (part: Buffer) => (received += part.length)).resume();
    await once(client, 'end');
    client.end();
    t.match(await ended, { bytesDown: sent, reason: 'finished' });
    t.equal(received, sent);
  });

  t.test(`${kind}: 64 MiB each way arrive as they were sent`, async (t) => {
    const { client, backend, ended } = await tunnelled(dial);
    const [up, down] = [randomBytes(1024 * 1024), randomBytes(1024 * 1024 + 7)];
    const results = await Promise.all([
      hashRead(backend),
      hashRead(client),
      send(client, up, 64),
      send(backend, down, 64),
    ]);
    t.equal(results[0], hashOf(up, 64));
    t.equal(results[1], hashOf(down, 64));
    t.match(await ended, { bytesUp: up.length * 64, bytesDown: down.length * 64, reason: 'finished' });
  });

  t.test(`${kind}: silence ends the tunnel, bytes put it off`, async (t) => {
    const clock = manualClock();
    const { client, backend, tunnel, ended } = await tunnelled(dial, { idleMs: 1000, clock });
    clock.advance(900);
    client.write('still here');
    await once(backend.resume(), 'data');
    clock.advance(900);
    t.equal(tunnel.bytesUp, 10);
    const codes = Promise.all([closeCode(client), closeCode(backend)]);
    clock.advance(600);
    t.strictSame(await codes, ['ECONNRESET', 'ECONNRESET']);
    t.match(await ended, { reason: 'idle' });
    t.equal(clock.pending, 0);
  });

  t.test(`${kind}: after one FIN the shorter limit holds`, async (t) => {
    const clock = manualClock();
    const { client, backend, ended } = await tunnelled(dial, { idleMs: 3_600_000, halfCloseMs: 1000, clock });
    clock.advance(5000);
    client.end('q');
    await readAll(backend);
    clock.advance(700);
    backend.write('a');
    await once(client, 'data');
    clock.advance(900);
    t.equal(client.destroyed, false, 'an answer in between puts it off');
    const code = closeCode(client);
    clock.advance(1000);
    t.equal(await code, 'ECONNRESET');
    backend.destroy();
    t.match(await ended, { bytesUp: 1, bytesDown: 1, reason: 'half-close-timeout' });
    t.equal(clock.pending, 0);
  });
}

t.test('bytes and a FIN that came before the tunnel are passed on', async (t) => {
  const below = await socketPair();
  below.server.resume();
  below.client.end('early');
  const [first] = (await once(below.server, 'data')) as [Buffer];
  below.server.pause();
  below.server.unshift(first);
  const above = await socketPair();
  const ended = new Promise((onEnd) =>
    openTunnel(below.server, above.client, { idleMs: 0, halfCloseMs: 0, clock: systemClock, onEnd }),
  );
  t.equal(String(await readAll(above.server)), 'early');
  above.server.end();
  await readAll(below.client);
  t.match(await ended, { bytesUp: 5, reason: 'finished' });
});

t.test('a FIN that was read before the tunnel is passed on', async (t) => {
  const below = await socketPair();
  below.server.resume();
  below.client.end();
  await once(below.server, 'end');
  const above = await socketPair();
  const ended = new Promise((onEnd) =>
    openTunnel(below.server, above.client, { idleMs: 0, halfCloseMs: 0, clock: systemClock, onEnd }),
  );
  t.equal(String(await readAll(above.server)), '');
  above.server.end('answer');
  t.equal(String(await readAll(below.client)), 'answer');
  t.match(await ended, { reason: 'finished' });
});

t.test('a side that is gone before the tunnel resets the other', async (t) => {
  for (const gone of ['downstream', 'upstream'] as const) {
    const [below, above] = await Promise.all([socketPair(), socketPair()]);
    const lost = gone === 'downstream' ? below.server : above.client;
    lost.destroy();
    await once(lost, 'close');
    const code = closeCode(gone === 'downstream' ? above.server : below.client);
    const ended = new Promise((onEnd) =>
      openTunnel(below.server, above.client, { idleMs: 0, halfCloseMs: 0, clock: systemClock, onEnd }),
    );
    t.equal(await code, 'ECONNRESET');
    t.match(await ended, { reason: `${gone}-reset` });
  }
});

t.test('a pooled socket that cannot connect says so', async (t) => {
  const { client, server } = await socketPair();
  const port = client.localPort ?? 0;
  client.destroy();
  server.destroy();
  await once(client, 'close');
  t.equal(await closeCode(connectForTunnel({ host: '127.0.0.1', port })), 'ECONNREFUSED');
  t.equal(await closeCode(connect({ host: '127.0.0.1', port })), 'ECONNREFUSED', 'as a plain one does');
});

async function send(socket: Socket, block: Buffer, times: number): Promise<void> {
  for (let i = 0; i < times; i++) if (!socket.write(block)) await once(socket, 'drain');
  socket.end();
}

async function hashRead(socket: Socket): Promise<string> {
  const hash = createHash('sha1');
  socket.on('data', (chunk: Buffer) => hash.update(chunk)).resume();
  await once(socket, 'end');
  return hash.digest('hex');
}

function hashOf(block: Buffer, times: number): string {
  const hash = createHash('sha1');
  for (let i = 0; i < times; i++) hash.update(block);
  return hash.digest('hex');
}
