// One table of destinations, sent through each kind of proxy over real sockets: the same verdict whatever it was asked in.

import t, { type Test } from 'tap';
import { createEgressFunction } from '../../../proxies/egress/index.ts';
import { createForwardsFunction } from '../../../proxies/forwards/index.ts';
import { createSocksFunction } from '../../../proxies/socks/index.ts';
import { bindTcp } from '../../../src/runtime/index.ts';
import { basics, fakeCluster, serve, talk } from './scene.ts';

const names = {
  'rebind.example': ['127.0.0.1'],
  'mixed.example': ['127.0.0.1', '169.254.169.254'],
  'mapped.example': ['::ffff:127.0.0.1'],
  'zero.example': ['0.0.0.0'],
  'inner.example': ['10.0.0.1'],
  'task.own': ['127.0.0.7'],
  'outside.example': ['127.0.0.7'],
} as const;

/** Where a client may want to go, and whether it gets there. */
const table: readonly (readonly [host: string, verdict: boolean])[] = [
  ['task.own', true],
  ['TASK.own', true],
  ['task.own.', true],
  ['127.0.0.7', true],
  ['named.own', false],
  ...['127.0.0.1', '127.1', '0x7f.1', '017700000001', '2130706433', '0177.0.0.1', '127.0.1', '0.0.0.0', '0'].map(
    (host) => [host, false] as const,
  ),
  ...['::1', '::', '::ffff:127.0.0.1', '::ffff:7f00:1', '64:ff9b::7f00:1', '2002:7f00:1::', 'fe80::1'].map(
    (host) => [host, false] as const,
  ),
  ...['169.254.169.254', 'fd00:ec2::254', '168.63.129.16', '100.100.100.200', '10.0.0.1', '8.8.8.8'].map(
    (host) => [host, false] as const,
  ),
  ...['rebind.example', 'mixed.example', 'mapped.example', 'zero.example', 'inner.example'].map(
    (host) => [host, false] as const,
  ),
  ['outside.example', false],
];

const rules = [{ allow: { to: ['cluster', '*.example'] } }];
const owners = fakeCluster({ owned: ['127.0.0.7'] });

async function target(t: Test): Promise<number> {
  const server = await serve((socket) => socket.end('reached'), '127.0.0.7');
  t.teardown(() => server.close());
  return server.port;
}

const portBytes = (port: number): readonly number[] => [port >> 8, port & 255];

type Ask = (host: string, port: number) => Promise<boolean>;

async function talkTo(proxyPort: number, words: Uint8Array | string): Promise<string> {
  const client = await talk(proxyPort);
  client.write(words);
  const said = (await client.rest().catch(() => Buffer.alloc(0))).toString('latin1');
  client.socket.destroy();
  return said;
}

async function socks(t: Test, list = rules): Promise<{ readonly five: Ask; readonly fourA: Ask }> {
  const base = basics(names);
  const proxy = createSocksFunction({ ...base, rules: list, users: null, owners, versions: [4, 5] });
  await proxy.start();
  t.teardown(() => proxy.stop());
  const proxyPort = base.listeners[0]?.port ?? 0;
  return {
    async five(host, port) {
      const name = [3, host.length, ...Buffer.from(host), ...portBytes(port)];
      const said = await talkTo(proxyPort, Buffer.from([5, 1, 0, 5, 1, 0, ...name]));
      return said.endsWith('reached');
    },
    async fourA(host, port) {
      const ask = [4, 1, ...portBytes(port), 0, 0, 0, 1, 0, ...Buffer.from(host), 0];
      return (await talkTo(proxyPort, Buffer.from(ask))).endsWith('reached');
    },
  };
}

async function http(t: Test, port: number, list: readonly object[] = rules): Promise<Ask> {
  const base = basics(names);
  const withPort = list.map((rule) => ({ allow: { to: ['cluster', '*.example'], ports: [port] }, ...rule }));
  const proxy = createEgressFunction({ ...base, rules: list.length === 0 ? [] : withPort, users: null, owners });
  await proxy.start();
  t.teardown(() => proxy.stop());
  return async (host, wanted) => {
    const authority = `${host.includes(':') ? `[${host}]` : host}:${wanted}`;
    const said = await talkTo(
      base.listeners[0]?.port ?? 0,
      `CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\nConnection: close\r\n\r\n`,
    );
    return said.endsWith('reached');
  };
}

t.test('the same verdicts by SOCKS5, SOCKS4a and CONNECT', async (t) => {
  const port = await target(t);
  const { five, fourA } = await socks(t);
  const connect = await http(t, port);
  for (const [host, wanted] of table) {
    t.equal(await five(host, port), wanted, `SOCKS5 ${host}`);
    t.equal(await fourA(host, port), wanted, `SOCKS4a ${host}`);
    t.equal(await connect(host, port), wanted, `CONNECT ${host}`);
  }
});

t.test('without rules nobody gets anywhere', async (t) => {
  const port = await target(t);
  const { five, fourA } = await socks(t, []);
  const connect = await http(t, port, []);
  for (const host of ['task.own', '127.0.0.7', 'outside.example', '127.0.0.1']) {
    t.notOk(await five(host, port));
    t.notOk(await fourA(host, port));
    t.notOk(await connect(host, port));
  }
});

t.test('a forward leads to its target alone, and never home', async (t) => {
  const port = await target(t);
  const base = basics(names);
  const [own, other] = [bindTcp('127.0.0.1', 0), bindTcp('127.0.0.1', 0)];
  const forwards = createForwardsFunction({
    ...base,
    forwards: [
      { listener: own, to: `task.own:${port}`, from: ['127.0.0.0/8'] },
      { listener: other, to: `127.0.0.1:${own.port}`, from: ['127.0.0.0/8'] },
    ],
    ownListeners: () => [`127.0.0.1:${own.port}`, `127.0.0.1:${other.port}`],
    placesOf: () => [],
  } as never);
  await forwards.start();
  t.teardown(() => forwards.stop());
  t.equal(await talkTo(own.port, ''), 'reached');
  t.equal(await talkTo(other.port, ''), '');
});
