// VIPs in the kernel, on a network of namespaces (test/feature/netns): whoever asks from wherever gets to the backend, refusals are quick,
// and what lives goes on living whatever happens to the daemon.

import { mkdtempSync, readFileSync, rmSync, writeFileSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import t from 'tap';
import { needs } from '../needs.ts';
import { eventually } from './cluster.ts';
import { isthmus } from './daemon.ts';
import { makeNetwork, type Network, type Place } from './netns/network.ts';
import { stateOf, type TestTask } from './netns/tasks.ts';

t.setTimeout(150_000);
const skip = needs('root', 'ip', 'nftables', 'conntrack', 'ipv6');

const addresses = {
  a: { ip: '10.88.0.11', ip6: 'fd00:88::11' },
  b: { ip: '10.88.0.12', ip6: 'fd00:88::12' },
  r: { ip: '10.99.0.2', ip6: 'fd00:99::2' },
  h: { ip: '10.99.0.1', ip6: 'fd00:99::1' },
} as const;

const vipOf = (place: Place | 'moving' | 'empty' | 'local' | 'few' | 'paced', family: 4 | 6 = 4): string => {
  const number = { a: 11, b: 12, r: 13, h: 14, moving: 15, empty: 16, local: 17, few: 18, paced: 19 }[place];
  return family === 4 ? `198.51.100.${number}` : `fd01:c::${number}`;
};
const bothVips = (place: Parameters<typeof vipOf>[0]): readonly string[] => [
  `${vipOf(place, 4)}:80`,
  `${vipOf(place, 6)}:80`,
];

/** One task in each place, `moving` on a, `empty` without a healthy one, `local` behind a port of the host. */
function usualTasks(): TestTask[] {
  const places = (['a', 'b', 'r', 'h'] as const).map((place) => ({
    id: `in-${place}`,
    ...addresses[place],
    vips: bothVips(place),
  }));
  return [
    ...places,
    { id: 'moving-1', ...addresses.a, vips: bothVips('moving') },
    { id: 'sick', ...addresses.b, vips: bothVips('empty'), healthy: false },
    {
      id: 'limited',
      ...addresses.a,
      vips: bothVips('few'),
      labels: { ISTHMUS_0_CONNECTIONS: '3', ISTHMUS_1_CONNECTIONS: '3' },
    },
    {
      id: 'paced',
      ...addresses.a,
      vips: bothVips('paced'),
      labels: { ISTHMUS_0_RATE: '1/h:5', ISTHMUS_1_RATE: '1/h:5' },
    },
    { id: 'mapped', ip: addresses.a.ip, vips: [`${vipOf('local')}:80`], hostPort: 31000 },
  ];
}

interface KernelDaemon {
  readonly pid: number;
  readonly ready: Readonly<Record<string, unknown>>;
  tell(tasks: readonly TestTask[]): void;
  end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

async function startIn(network: Network, directory: string, more = ''): Promise<KernelDaemon> {
  const config = join(directory, 'isthmus.yaml');
  const cluster = join(directory, 'cluster.json');
  writeFileSync(
    config,
    `cluster: [{ file: { path: ${cluster} } }]\nvips: { plane: kernel, timeouts: { drain: 1s } }\nadmin: { listen: "127.0.0.1:9099" }\nworkers: 1\n${more}`,
  );
  const child = network.spawn('h', process.execPath, [isthmus, 'run', '--config', config]);
  const log: string[] = [];
  const ready = await new Promise<Record<string, unknown>>((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not ready:\n${log.join('\n')}`)), 30_000);
    createInterface({ input: child.stderr as NodeJS.ReadableStream }).on('line', (line) => {
      log.push(line);
      if (!line.includes('"msg":"ready"')) return;
      clearTimeout(late);
      resolve(JSON.parse(line) as Record<string, unknown>);
    });
  });
  const pid = child.pid ?? 0;
  return {
    pid,
    ready,
    tell(tasks) {
      writeFileSync(`${cluster}.new`, stateOf(tasks));
      renameSync(`${cluster}.new`, cluster);
    },
    async end(signal) {
      const gone = new Promise((resolve) => child.once('exit', resolve));
      // Children outlive a supervisor that is killed; a machine that loses power takes all of them.
      const pids = signal === 'SIGKILL' ? [pid, ...childrenOf(pid)] : [pid];
      for (const one of pids) process.kill(one, signal);
      await gone;
    },
  };
}

const childrenOf = (pid: number): readonly number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);

t.test('kernel plane', { skip }, async (t) => {
  const network = await makeNetwork();
  t.teardown(() => network.close());
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  // A port mapping as Docker and CNI make them: one at the VIPs' own port, which must not take them, and that of the task `mapped`.
  network.run(
    'h',
    'nft -f -',
    'table ip mappings { chain pre { type nat hook prerouting priority -100; fib daddr type local tcp dport 80 dnat to 10.88.0.12:8080; fib daddr type local tcp dport 31000 dnat to 10.88.0.11:8080; }; }\n',
  );
  writeFileSync(join(directory, 'cluster.json'), stateOf(usualTasks()));
  let daemon = await startIn(network, directory);
  t.teardown(() => daemon.end('SIGTERM'));
  const tcp = (from: Place, ip: string, port = 80, hold?: number): Promise<string> =>
    network.order(from, { type: 'tcp', ip, port, ...(hold === undefined ? {} : { hold }) });
  const udp = (from: Place, ip: string, port = 80, hold?: number): Promise<string> =>
    network.order(from, { type: 'udp', ip, port, ...(hold === undefined ? {} : { hold }) });
  const say = (from: Place, hold: number): Promise<string> => network.order(from, { type: 'say', hold });

  t.same(daemon.ready['degraded'], [], 'nothing is missing');

  t.test('from everywhere to everywhere', async (t) => {
    const bridge = { 4: '10.88.0.1', 6: 'fd00:88::1' };
    const uplink = { 4: '10.99.0.1', 6: 'fd00:99::1' };
    /** Whose address the backend sees: the client's wherever its answer comes back by the host. */
    const seenBy = {
      ha: bridge,
      hb: bridge,
      hr: uplink,
      aa: bridge,
      ab: bridge,
      ba: bridge,
      bb: bridge,
      rr: uplink,
    } as const;
    for (const [from, to, family] of rows()) {
      const client = addresses[from];
      const kept = family === 4 ? client.ip : client.ip6;
      const masked = (seenBy as Readonly<Record<string, { 4: string; 6: string }>>)[from + to]?.[family];
      const expected = from === 'h' && to === 'h' ? /^h / : `${to} ${masked ?? kept}`;
      const ip = vipOf(to, family);
      t.match(await tcp(from, ip), expected, `${from} to ${to}, TCP over IPv${family}`);
      t.match(await udp(from, ip), expected, `${from} to ${to}, UDP over IPv${family}`);
    }
    t.match(await tcp('r', vipOf('local')), 'a 10.99.0.2', 'a task behind a port mapping, from outside');
    t.match(await tcp('h', vipOf('local')), /^a /, 'and from the host itself');
  });

  t.test('neighbours on a bridge that the rules see keep their address', async (t) => {
    network.run('h', 'sysctl -qw net.bridge.bridge-nf-call-iptables=1');
    t.equal(await tcp('a', vipOf('b')), 'b 10.88.0.11');
    daemon.tell([...usualTasks(), { id: 'change', ...addresses.b, vips: ['198.51.100.99:80'] }]);
    const itself = await eventually(
      'itself',
      20_000,
      () => tcp('a', vipOf('a')),
      (text) => text !== 'timeout',
    );
    t.equal(itself, 'a 10.88.0.1', 'and itself by a hairpin');
    daemon.tell(usualTasks());
    network.run('h', 'sysctl -qw net.bridge.bridge-nf-call-iptables=0');
  });

  t.test('refusals are quick', async (t) => {
    for (const from of ['h', 'a', 'r'] as const) {
      for (const family of [4, 6] as const) {
        for (const ask of [tcp, udp]) {
          const of = `${ask === tcp ? 'TCP' : 'UDP'} from ${from} over IPv${family}`;
          t.equal(await ask(from, vipOf('empty', family)), 'ECONNREFUSED', `no healthy backend, ${of}`);
          t.equal(await ask(from, vipOf('a', family), 81), 'ECONNREFUSED', `another port, ${of}`);
          t.equal(await ask(from, family === 4 ? '11.1.2.3' : 'fd01:c::99'), 'ECONNREFUSED', `no VIP, ${of}`);
        }
      }
    }
    t.equal(await tcp('r', addresses.h.ip, 8080), 'h 10.99.0.2', 'the host itself is reached as ever');
  });

  t.test('limits of one client', async (t) => {
    for (const family of [4, 6] as const) {
      const many = async (from: Place, place: 'few' | 'paced', count: number, hold?: number): Promise<string> => {
        const heard: string[] = [];
        for (let i = 0; i < count; i++)
          heard.push(await tcp(from, vipOf(place, family), 80, hold === undefined ? undefined : hold + i));
        return heard.map((text) => (text.startsWith('a ') ? 'a' : text)).join(' ');
      };
      const base = family * 100;
      t.equal(await many('r', 'few', 5, base), 'a a a ECONNREFUSED ECONNREFUSED', `three at a time over IPv${family}`);
      t.equal(await many('b', 'few', 1), 'a', 'another client has its own');
      t.equal(await say('r', base), 'still here');
      t.equal(await many('r', 'paced', 7), 'a a a a a ECONNREFUSED ECONNREFUSED', `five at once over IPv${family}`);
      t.equal(await many('b', 'paced', 1), 'a', 'another client has its own');
    }
  });

  t.test('UDP moves at once, TCP ends at the deadline', async (t) => {
    t.match(await tcp('r', vipOf('moving'), 80, 1), /^a /);
    t.match(await udp('r', vipOf('moving'), 80, 1), /^a /);
    const moved = usualTasks().map((task) =>
      task.id === 'moving-1' ? { ...task, id: 'moving-2', ...addresses.b } : task,
    );
    daemon.tell(moved);
    await eventually(
      'new backend',
      8_000,
      () => tcp('r', vipOf('moving')),
      (text) => text.startsWith('b '),
    );
    await eventually(
      'UDP',
      2_000,
      () => udp('r', vipOf('moving'), 80, 1),
      (text) => text.startsWith('b '),
    );
    const last = await eventually(
      'end',
      8_000,
      () => say('r', 1),
      (text) => text !== 'still here',
    );
    t.match(last, /ECONNRESET|EPIPE/, 'a reset and no hang');
    daemon.tell(usualTasks());
    await eventually(
      'old backend',
      8_000,
      () => tcp('r', vipOf('moving')),
      (text) => text.startsWith('a '),
    );
  });

  t.test('a backend that drains keeps what it has and gets nothing new', async (t) => {
    t.match(await tcp('r', vipOf('moving'), 80, 2), /^a /);
    daemon.tell(usualTasks().map((task) => (task.id === 'moving-1' ? { ...task, state: 'TASK_KILLING' } : task)));
    await eventually(
      'refusal',
      8_000,
      () => tcp('r', vipOf('moving')),
      (text) => text === 'ECONNREFUSED',
    );
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    t.equal(await say('r', 2), 'still here', 'longer than the deadline of those that are gone');
    daemon.tell(usualTasks());
    await eventually(
      'old backend',
      8_000,
      () => tcp('r', vipOf('moving')),
      (text) => text.startsWith('a '),
    );
  });

  t.test('no connection notices that backends come and go', async (t) => {
    const inBoth = { id: 'moving-2', ...addresses.b, vips: bothVips('moving') };
    const rounds = [
      [...usualTasks(), inBoth],
      [...usualTasks().filter(({ id }) => id !== 'moving-1'), inBoth],
      usualTasks(),
    ];
    const heard = new Map<string, number>();
    let ended = false;
    const clients = Array.from({ length: 8 }, async () => {
      while (!ended) {
        const [first = ''] = (await tcp('r', vipOf('moving'))).split(' ');
        heard.set(first, (heard.get(first) ?? 0) + 1);
      }
    });
    for (let change = 0; change < 45; change++) {
      daemon.tell(rounds[change % rounds.length] ?? []);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    daemon.tell(usualTasks());
    ended = true;
    await Promise.all(clients);
    t.same([...heard.keys()].sort(), ['a', 'b'], `nothing but greetings in ${JSON.stringify([...heard])}`);
  });

  t.test('what lives outlives the daemon', async (t) => {
    const holders = [
      ['a', 'r'],
      ['r', 'a'],
      ['h', 'b'],
    ] as const;
    for (const [from, to] of holders) t.match(await tcp(from, vipOf(to), 80, 3), new RegExp(`^${to} `));
    const allLive = async (when: string): Promise<void> => {
      for (const [from, to] of holders) {
        t.equal(await say(from, 3), 'still here', `${from} to ${to}, ${when}`);
        t.match(await tcp(from, vipOf(to)), new RegExp(`^${to} `), `a new one, ${when}`);
      }
    };
    const handle = (): string => /"handle": \d+/.exec(network.run('h', 'nft -j list tables'))?.[0] ?? '';
    const before = network.run('h', 'nft -j list chain inet isthmus n-pre');
    await daemon.end('SIGTERM');
    await allLive('after a stop');
    daemon = await startIn(network, directory);
    await allLive('after a start');
    await daemon.end('SIGKILL');
    await allLive('after kill -9');
    daemon = await startIn(network, directory);
    await allLive('after the next start');
    t.equal(network.run('h', 'nft -j list chain inet isthmus n-pre'), before, 'no rule was touched');
    t.ok(handle());
    network.run('h', 'nft flush ruleset');
    await eventually(
      'repair',
      8_000,
      () => tcp('r', vipOf('a')),
      (text) => text.startsWith('a '),
    );
    await allLive('after somebody flushed the rules');
    network.run(
      'h',
      'nft add chain inet isthmus stranger; nft delete element inet isthmus pairs { "br0" . "br0" }; nft delete table inet isthmus',
    );
    await eventually(
      'repair',
      8_000,
      () => tcp('r', vipOf('a')),
      (text) => text.startsWith('a '),
    );
    await allLive('after the table was deleted');
  });

  t.test('counters and listeners', async (t) => {
    const metrics = await eventually(
      'counters',
      30_000,
      () => Promise.resolve(network.run('h', 'curl -s http://127.0.0.1:9099/metrics')),
      (text) => /isthmus_lb_vip_connections_total\{vip="198\.51\.100\.11:80"\} [1-9]/.test(text),
    );
    t.match(metrics, /isthmus_lb_backend_connections_total\{backend="10\.88\.0\.11:8080"\} [1-9]/);
    const listeners = JSON.parse(network.run('h', 'curl -s http://127.0.0.1:9099/v1/listeners')) as Record<
      string,
      unknown
    >;
    t.match(listeners['vips.kernel'], { 'tcp 198.51.100.11:80': '198.51.100.11:80' });
  });
});

t.test('as another user', { skip: skip || needs('setpriv') }, async (t) => {
  const network = await makeNetwork();
  t.teardown(() => network.close());
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-test-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  network.run('h', `chmod 755 ${directory}`);
  writeFileSync(join(directory, 'cluster.json'), stateOf(usualTasks()));
  const daemon = await startIn(network, directory, 'user: nobody\n');
  t.teardown(() => daemon.end('SIGTERM'));
  t.match(await network.order('r', { type: 'tcp', ip: vipOf('a'), port: 80 }), /^a /);
  const control = Number(daemon.ready['pid']);
  const capable = [control, ...childrenOf(control)].filter((pid) => {
    const effective = /^CapEff:\s+(\S+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? '';
    return BigInt(`0x${effective}`) !== 0n;
  });
  t.equal(capable.includes(control), false, 'control itself may nothing');
  for (const pid of capable)
    t.match(readFileSync(`/proc/${pid}/status`, 'utf8'), /^CapEff:\s+0+1000$/m, 'CAP_NET_ADMIN alone');
  t.ok(capable.length > 0);
  daemon.tell(usualTasks().filter(({ id }) => id !== 'in-b'));
  const gone = () => network.order('r', { type: 'tcp', ip: vipOf('b'), port: 80 });
  t.ok(await eventually('removal', 8_000, gone, (text) => !text.startsWith('b ')), 'a later change gets through');
});

function* rows(): Iterable<readonly [from: Place, to: Place, family: 4 | 6]> {
  for (const from of ['h', 'a', 'r'] as const)
    for (const to of ['a', 'b', 'r', 'h'] as const) for (const family of [4, 6] as const) yield [from, to, family];
}
