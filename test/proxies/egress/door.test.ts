// What a listener of the HTTP proxy takes before HTTP begins: PROXY headers and TLS; and who is kept out.

import { connect as connectTls, type TLSSocket } from 'node:tls';
import { once } from 'node:events';
import t from 'tap';
import { noChallenges, openFallback } from '../../../certs/index.ts';
import { createTerminator } from '../../../proxies/access/index.ts';
import { silentLogger, systemClock } from '../../../src/runtime/index.ts';
import { counted, talk } from '../access/scene.ts';
import { open, origin } from './scene.ts';

t.test('PROXY headers of listed peers say who the client is', async (t) => {
  const web = await origin(t, (_request, response) => response.end('web'));
  const rules = [{ allow: { from: ['10.1.2.3'], to: ['cluster'] } }];
  const { port, base, egress } = await open(t, { rules, proxyProtocol: ['127.0.0.1'], timeouts: { headerMs: 20_000 } });
  const ask = `GET http://web.own:${web.port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
  for (const [client, answer] of [
    ['10.1.2.3', /^HTTP\/1\.1 200 [^]*web/],
    ['10.1.2.4', /^HTTP\/1\.1 403 /],
  ] as const) {
    const one = await talk(port);
    one.write(`PROXY TCP4 ${client} 127.0.0.1 12345 3128\r\n`);
    one.write(ask);
    t.match((await one.rest()).toString(), answer, client);
  }
  const stranger = await talk(port);
  stranger.write(ask);
  t.equal((await stranger.rest().catch(() => Buffer.alloc(0))).length, 0, 'no header, nobody');
  t.equal(counted(base.metrics, 'egress_sessions_total', { reason: 'malformed' }), 1);
  egress.reconfigure({ rules, users: null, proxyProtocol: [] });
  const plain = await talk(port);
  plain.write(ask);
  t.match((await plain.rest()).toString(), /^HTTP\/1\.1 403 /, 'asked for no more');
});

async function secured(port: number): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', servername: 'a.example', rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  return socket;
}

t.test('TLS: requests and tunnels inside it, nothing without', async (t) => {
  const web = await origin(t, (_request, response) => response.end('web'));
  const terminator = createTerminator({ clock: systemClock, log: silentLogger });
  const { chain, key } = await openFallback(null, systemClock);
  const fallback = { id: 'a', names: [], keyType: 'ec', notBefore: 0, notAfter: Infinity, chain, key } as const;
  terminator.take({ certificates: [], fallback, ticketKeys: '', challenges: noChallenges });
  const { port, base } = await open(t, { secure: (socket, name) => terminator.secure(socket, name) });
  const inner = `GET / HTTP/1.1\r\nHost: web.own:${web.port}\r\nConnection: close\r\n\r\n`;
  for (const [ask, answer] of [
    [`GET http://web.own:${web.port}/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, /^HTTP\/1\.1 200 [^]*web/],
    [`CONNECT web.own:${web.port} HTTP/1.1\r\nHost: x\r\n\r\n${inner}`, /^HTTP\/1\.1 200 [^]*\r\n\r\nHTTP\/1\.1 200 /],
  ] as const) {
    const socket = await secured(port);
    socket.write(ask);
    let said = '';
    for await (const part of socket) said += String(part);
    t.match(said, answer);
  }
  const clear = await talk(port);
  clear.write('GET http://web.own/ HTTP/1.1\r\nHost: x\r\n\r\n');
  const heard = (await clear.rest().catch(() => Buffer.alloc(0))).toString('latin1');
  t.notMatch(heard, /HTTP/, 'an alert at most');
  t.equal(counted(base.metrics, 'egress_sessions_total', { reason: 'malformed' }), 1);
});
