// Sockets that systemd or another parent passes: taken by address or by name, said and closed where nobody wants them, and kept by the parent
// while the daemon is restarted, so that no connection is refused.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { BoundSocket, connect, type AddressInfo } from 'node:net';
import t, { type Test } from 'tap';
import { stopReading } from '../../src/runtime/index.ts';
import { needs } from '../needs.ts';
import { ask, eventually } from './cluster.ts';
import { serveWeb, startPassed } from './passed-daemon.ts';

t.setTimeout(200_000);

interface Passed {
  readonly fd: number;
  readonly port: number;
}

function holdTcp(t: Test): Passed {
  const socket = new BoundSocket({ host: '127.0.0.1', port: 0 });
  t.teardown(() => socket.close());
  return { fd: socket.fd(), port: (socket.address() as AddressInfo).port };
}

async function holdUdp(t: Test): Promise<Passed> {
  const socket = createSocket('udp4');
  socket.bind({ address: '127.0.0.1', port: 0, exclusive: true });
  await once(socket, 'listening');
  t.teardown(() => socket.close());
  return { fd: stopReading(socket), port: socket.address().port };
}

/** Whether anything comes back for a query for the leader's address; asked again, as a stub would. */
async function answersUdp(port: number): Promise<boolean> {
  const query = Buffer.from(
    '00010100000100000000000006 6c6561646572 05 6d65736f73 00 00010001'.replaceAll(' ', ''),
    'hex',
  );
  const socket = createSocket('udp4');
  const answer = once(socket, 'message');
  const again = setInterval(() => socket.send(query, port, '127.0.0.1'), 500);
  socket.send(query, port, '127.0.0.1');
  const [message] = (await answer) as [Buffer];
  clearInterval(again);
  socket.close();
  return message.readUInt16BE(0) === 1;
}

const configOf = (url: string, http: string, dns: string): string => `
dns: { listen: [${dns}], http: "127.0.0.1:0", upstreams: ["127.0.0.1:9"] }
router: { http: [${http}], groups: ["*"], routes: [{ host: shop.example, to: ["${url}"] }] }
dcosNet: "127.0.0.1:0"
admin: { listen: "127.0.0.1:0" }
workers: 1
`;

t.test('passed by a parent: TCP and UDP, by address and by name, the rest bound or closed', async (t) => {
  const url = await serveWeb((end) => void t.teardown(end));
  const byAddress = holdTcp(t);
  const byName = holdTcp(t);
  const unwanted = holdTcp(t);
  const udp = await holdUdp(t);
  const config = configOf(
    url,
    `"127.0.0.1:${byAddress.port}", "127.0.0.1:0", "127.0.0.1:0"`,
    `"127.0.0.1:${udp.port}"`,
  );
  const daemon = startPassed(t.testdir(), config, {
    sockets: [unwanted.fd, byName.fd, udp.fd, byAddress.fd],
    env: { LISTEN_FDS: '4', LISTEN_FDNAMES: 'other:router.http:isthmus.socket:isthmus.socket' },
  });
  t.teardown(() => daemon.stop());
  const listeners = await daemon.listeners();
  t.equal(listeners['router.http']?.[0], `127.0.0.1:${byAddress.port}`);
  t.equal(listeners['router.http']?.[1], `127.0.0.1:${byName.port}`, 'by the name of its listener');
  t.equal(listeners['router.http']?.length, 3, 'what was not passed is bound');
  for (const address of listeners['router.http'] ?? []) t.equal((await ask(address, 'shop.example')).body, 'web');
  t.ok(await answersUdp(udp.port), 'UDP that was passed');
  const said = await daemon.line((one) => String(one['msg']).includes('no listener of the configuration'));
  t.match(said, { address: `127.0.0.1:${unwanted.port}`, name: 'other', kind: 'tcp' });
  const holders = readdirSync(`/proc/${daemon.child.pid ?? 0}/fd`).map((fd) => linkOf(daemon.child.pid ?? 0, fd));
  t.notOk(holders.includes(readlinkSync(`/proc/self/fd/${unwanted.fd}`)), 'it is closed');
  t.ok(holders.includes(readlinkSync(`/proc/self/fd/${byAddress.fd}`)), 'the others are held');
});

t.test('a restart on the same sockets: connections wait, none is refused', async (t) => {
  const url = await serveWeb((end) => void t.teardown(end));
  const tcp = holdTcp(t);
  const config = configOf(url, `"127.0.0.1:${tcp.port}"`, '"127.0.0.1:0"');
  const directory = t.testdir();
  const options = { sockets: [tcp.fd], env: { LISTEN_FDS: '1' } };
  const first = startPassed(directory, config, options);
  await first.listeners();
  const failures: string[] = [];
  const open = new Set<Promise<void>>();
  let asked = 0;
  // A hundred new connections a second, each with as much patience as the start of a daemon may take here.
  const offering = setInterval(() => {
    asked++;
    const one: Promise<void> = askPatiently(tcp.port).then((said) => {
      open.delete(one);
      if (said !== 'web') failures.push(said);
    });
    open.add(one);
  }, 10);
  t.teardown(() => clearInterval(offering));
  await eventually(
    'load',
    20_000,
    () => Promise.resolve(asked),
    (count) => count > 50,
  );
  t.equal(await first.stop(), 0);
  const between = asked;
  await eventually(
    'load without a daemon',
    20_000,
    () => Promise.resolve(asked),
    (count) => count > between + 20,
  );
  const second = startPassed(directory, config, options);
  t.teardown(() => second.stop());
  await second.listeners();
  const after = asked;
  await eventually(
    'load after',
    20_000,
    () => Promise.resolve(asked),
    (count) => count > after + 50,
  );
  clearInterval(offering);
  await Promise.all(open);
  t.same(failures, [], `of ${asked} connections`);
});

/** The body, or what went wrong. */
function askPatiently(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let answer = '';
    socket.setTimeout(60_000, () => socket.destroy(new Error('no answer')));
    socket.on('connect', () => socket.write('GET / HTTP/1.1\r\nhost: shop.example\r\nconnection: close\r\n\r\n'));
    socket.on('data', (part: Buffer) => (answer += part.toString()));
    socket.on('error', (error) => resolve(error.message));
    socket.on('close', () => resolve(/\r\n\r\n.*web/s.test(answer) ? 'web' : `closed after "${answer}"`));
  });
}

t.test('systemd-socket-activate', { skip: needs('systemd-socket-activate') }, async (t) => {
  const url = await serveWeb((end) => void t.teardown(end));
  const [tcp, udp] = [holdTcp(t), await holdUdp(t)];
  // It wants port numbers for sockets of its own, and passes on what it got, with the pid and the environment that it makes.
  const under = ['sh', '-c', 'LISTEN_PID=$$ exec systemd-socket-activate "$@"', 'sh'];
  const daemon = startPassed(t.testdir(), configOf(url, `"127.0.0.1:${tcp.port}"`, `"127.0.0.1:${udp.port}"`), {
    under,
    sockets: [tcp.fd, udp.fd],
    env: { LISTEN_FDS: '2' },
  });
  t.teardown(() => daemon.stop());
  // The daemon is started by the first who comes, and answers that one.
  t.ok(await answersUdp(udp.port));
  const listeners = await daemon.listeners();
  t.same(listeners['dns'], [`127.0.0.1:${udp.port}`]);
  t.equal((await ask(`127.0.0.1:${tcp.port}`, 'shop.example')).body, 'web');
  t.match(await daemon.line((one) => one['msg'] === 'sockets were passed and are taken'), {
    listeners: [`dns udp 127.0.0.1:${udp.port}`, `router.http tcp 127.0.0.1:${tcp.port}`],
  });
});

function linkOf(pid: number, fd: string): string {
  try {
    return readlinkSync(`/proc/${pid}/fd/${fd}`);
  } catch {
    return '';
  }
}
