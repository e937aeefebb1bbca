// VIPs in user space on a network of namespaces (test/feature/netns): hosts, containers and a remote machine reach backends in each of
// those places, themselves too, over TCP and UDP, IPv4 and IPv6, through ranges that the daemon made local.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { needs } from '../needs.ts';
import { isthmus } from './daemon.ts';
import { makeNetwork, places, type Place } from './netns/network.ts';
import { stateOf } from './netns/tasks.ts';
import { eventually } from './cluster.ts';

t.setTimeout(120_000);

const homes = {
  a: { ip: '10.88.0.11', ip6: 'fd00:88::11' },
  b: { ip: '10.88.0.12', ip6: 'fd00:88::12' },
  r: { ip: '10.99.0.2', ip6: 'fd00:99::2' },
  h: { ip: '10.99.0.1', ip6: 'fd00:99::1' },
} as const;

const numberOf = (place: Place): number => 11 + places.indexOf(place);
const vipsOf = (place: Place): readonly [string, string] => [
  `198.51.100.${numberOf(place)}`,
  `fd01:c::${numberOf(place)}`,
];

t.test('from everywhere to everywhere', { skip: needs('root', 'ip', 'ipv6', 'nftables') }, async (t) => {
  const network = await makeNetwork();
  t.teardown(() => network.close());
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  // As Docker and CNI map a container's port, here the very one of the VIPs: it must not take them.
  network.run(
    'h',
    'nft -f -',
    'table ip mappings { chain pre { type nat hook prerouting priority -100; fib daddr type local tcp dport 80 dnat to 10.88.0.12:9; }; }\n',
  );
  const tasks = places.map((place) => ({
    id: `in-${place}`,
    ...homes[place],
    vips: vipsOf(place).map((ip) => `${ip}:80`),
  }));
  writeFileSync(join(directory, 'cluster.json'), stateOf(tasks));
  const config = {
    cluster: [{ file: { path: join(directory, 'cluster.json') } }],
    vips: { plane: 'user', range: '198.51.100.0/24', range6: 'fd01:c::/64' },
    ...{ admin: { listen: '127.0.0.1:9099' }, workers: 1 },
  };
  writeFileSync(join(directory, 'isthmus.yaml'), JSON.stringify(config));
  const child = network.spawn('h', process.execPath, [isthmus, 'run', '--config', join(directory, 'isthmus.yaml')]);
  t.teardown(async () => {
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  });
  // Read to the end: a full pipe would stop the daemon.
  createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', () => undefined);
  await eventually(
    'the VIPs are open',
    30_000,
    () => network.order('r', { type: 'tcp', ip: vipsOf('h')[1], port: 80 }),
    (text) => text.startsWith('h '),
  );
  for (const from of places) {
    for (const to of places) {
      for (const ip of vipsOf(to)) {
        for (const type of ['tcp', 'udp'] as const)
          t.match(
            await network.order(from, { type, ip, port: 80 }),
            new RegExp(`^${to} `),
            `${type} ${from} to ${to}, ${ip}`,
          );
      }
    }
    for (const ip of vipsOf('h'))
      t.equal(
        await network.order(from, { type: 'tcp', ip, port: 81 }),
        'ECONNREFUSED',
        `${from}: no such port at ${ip}`,
      );
  }
});
