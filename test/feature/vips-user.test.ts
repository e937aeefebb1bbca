// VIPs in user space through the whole daemon: TCP and UDP of one label, options by labels, and both told over REST.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import t from 'tap';
import type { DetailedVip } from '../../lb/index.ts';
import type { Diagnostic } from '../../src/cluster/index.ts';
import { listen, readAll } from '../runtime/loopback.ts';
import { startDaemon } from './daemon.ts';

type Listeners = Readonly<Record<string, Readonly<Record<string, string>> | undefined>>;

const vipPort = 7353;

/** One task on the agent 127.0.0.1 with a port of both protocols. */
function state(port: number, labels: Readonly<Record<string, string>>): string {
  const list = (all: Readonly<Record<string, string>>): object => ({
    labels: Object.entries(all).map(([key, value]) => ({ key, value })),
  });
  const task = {
    id: 'dns.1',
    name: 'dns',
    framework_id: 'F1',
    slave_id: 'S1',
    state: 'TASK_RUNNING',
    labels: Object.entries(labels).map(([key, value]) => ({ key, value })),
    resources: { ports: `[${port}-${port}]` },
    statuses: [{ state: 'TASK_RUNNING', timestamp: 1 }],
    discovery: {
      name: 'dns',
      visibility: 'FRAMEWORK',
      ports: {
        ports: ['tcp', 'udp'].map((protocol) => ({
          ...{ number: port, protocol, name: 'dns' },
          labels: list({ VIP_0: `/dns:${vipPort}`, VIP_1: '/broken' }),
        })),
      },
    },
  };
  return JSON.stringify({
    leader: 'master@127.0.0.1:5050',
    slaves: [{ id: 'S1', hostname: '127.0.0.1', pid: 'slave(1)@127.0.0.1:5051' }],
    frameworks: [{ id: 'F1', name: 'marathon', active: true, tasks: [task] }],
  });
}

t.test('TCP and UDP of one label', async (t) => {
  const tcp = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    socket.pipe(socket);
  });
  const port = await listen(tcp);
  const udp = createSocket('udp4').bind(port, '127.0.0.1');
  await once(udp, 'listening');
  udp.on('message', (datagram, from) => udp.send(`udp:${String(datagram)}`, from.port, from.address));
  const client = createSocket('udp4').bind(0, '127.0.0.1');
  await once(client, 'listening');
  const config = {
    cluster: [{ file: { path: '{dir}/state.json', name: 'mesos' } }],
    vips: { plane: 'user', range: '127.73.0.0-127.73.255.255', ipv6: false },
    ...{ dcosNet: '127.0.0.1:0', admin: { listen: '127.0.0.1:0' }, workers: 0 },
  };
  const source = join(t.testdir({}), 'state.json');
  writeFileSync(source, state(port, { ISTHMUS_0_PROXY: 'v1', ISTHMUS_0_DRAIN: 'soon' }));
  const daemon = await startDaemon(JSON.stringify(config).replace('{dir}/state.json', source));
  t.teardown(async () => {
    await daemon.stop();
    for (const socket of [udp, client]) socket.close();
    tcp.close();
  });
  const tcpKey = `tcp dns.marathon:${vipPort}`;
  const udpKey = `udp dns.marathon:${vipPort}`;
  const all = await daemon.until<Listeners>('/v1/listeners', (found) => found['vips.user']?.[udpKey] !== undefined);
  const [ip = ''] = (all['vips.user']?.[tcpKey] ?? '').split(':');
  t.equal(all['vips.user']?.[udpKey], `${ip}:${vipPort}`, 'both at one address');

  client.send('q', vipPort, ip);
  t.equal(String((await once(client, 'message'))[0]), 'udp:q');
  const socket = connect({ host: ip, port: vipPort, allowHalfOpen: true });
  socket.end('hi');
  t.match(String(await readAll(socket)), new RegExp(`^PROXY TCP4 127.0.0.1 ${ip} \\d+ ${vipPort}\r\nhi$`));

  const answer = await fetch(`http://${daemon.address('dcosNet')}/v1/vips?detail=1`);
  t.match(await answer.json(), [
    { vip: `dns.marathon.l4lb.thisdcos.directory:${vipPort}`, protocol: 'tcp', options: { proxyProtocol: 'v1' } },
    {
      protocol: 'udp',
      addresses: [ip],
      backend: [{ ip: '127.0.0.1', port, weight: 1, state: 'up', agent_ip: '127.0.0.1', task: 'dns.1', healthy: true }],
    },
  ] as unknown as readonly DetailedVip[]);
  const told = await daemon.json<readonly Diagnostic[]>('/v1/diagnostics');
  t.match(
    told.map(({ key, value }) => `${key}=${value}`).sort(),
    ['ISTHMUS_0_DRAIN=soon', 'VIP_1=/broken'],
    'what gave nothing is told once',
  );
  const explained = await daemon.get(`/v1/explain?vip=dns.marathon:${vipPort}&format=text`);
  t.match(explained, /proxyProtocol/);
});
