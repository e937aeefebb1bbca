// What people's own tools read: dig, kdig and drill ask a daemon as users run it for everything it has, and none of them finds fault.

import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { address, fakeUpstream, replyTo } from '../dns/fake-upstream.ts';
import { needs } from '../needs.ts';
import { startDaemon, type RunningDaemon } from './daemon.ts';

t.setTimeout(90_000);

const instances = 40;

const task = (i: number): object => ({
  id: `web.${i}`,
  name: 'web',
  slave_id: `a-S${i}`,
  framework_id: 'f-0',
  state: 'TASK_RUNNING',
  resources: { ports: '[31000-31000]' },
  statuses: [
    {
      state: 'TASK_RUNNING',
      timestamp: 1,
      container_status: {
        network_infos: [{ ip_addresses: [{ ip_address: `9.0.1.${i}` }, { ip_address: `fd01:b::${i}` }] }],
      },
    },
  ],
  discovery: {
    name: 'web.shop',
    ports: {
      ports: [{ number: 80, protocol: 'tcp', name: 'http', labels: { labels: [{ key: 'VIP_0', value: '/web:80' }] } }],
    },
  },
});

const numbers = Array.from({ length: instances }, (_, i) => i + 1);
const state = {
  leader: 'master@10.0.0.1:5050',
  slaves: numbers.map((i) => ({
    id: `a-S${i}`,
    pid: `slave(1)@10.1.0.${i}:5051`,
    hostname: `agent-${i}.corp.example`,
  })),
  frameworks: [
    {
      id: 'f-0',
      name: 'marathon',
      pid: 'scheduler-1@10.0.0.9:8080',
      tasks: [...numbers.map(task), { ...task(1), id: 'one.1', name: 'one', discovery: { name: 'one' } }],
    },
  ],
};

async function cluster(t: Test): Promise<{ readonly daemon: RunningDaemon; readonly change: () => void }> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-clients-'));
  const path = join(directory, 'state.json');
  writeFileSync(path, JSON.stringify(state));
  const upstream = await fakeUpstream(t, (query) => [replyTo(query, [address(query.name, '192.0.2.80')])]);
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path } }],
      dns: {
        listen: ['127.0.0.1:0'],
        http: null,
        clusterId: 'c3zs6aubqe',
        upstreams: [upstream.address],
        transferTo: ['127.0.0.0/8'],
      },
      vips: { plane: 'user', range: '127.64.0.0-127.64.255.255' },
      admin: { listen: '127.0.0.1:0' },
      workers: 1,
    }),
  );
  t.teardown(async () => {
    await daemon.stop();
    rmSync(directory, { recursive: true });
  });
  const fewer = { ...state, frameworks: state.frameworks.map((one) => ({ ...one, tasks: one.tasks.slice(1) })) };
  return { daemon, change: () => writeFileSync(path, JSON.stringify(fewer)) };
}

const run = promisify(execFile);

/** What a client prints; its words of complaint must not be among it. */
async function output(command: string, args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await run(command, args, { timeout: 20_000 });
  return `${stdout}${stderr}`;
}

const complaint =
  /warning|malformed|mangled|extra bytes|parse error|bad (packet|label|compression)|mismatch|unexpected|failed|timed out|corrupt/i;

/** Name, type, and what the answer must show. Answers of forty instances fit no datagram: those are asked over TCP. */
const questions: readonly (readonly [name: string, type: string, shown: RegExp])[] = [
  ['one.marathon.mesos', 'A', /\s9\.0\.1\.1\b/],
  ['OnE.marathon.MESOS', 'AAAA', /^one\.marathon\.mesos\.\s.*fd01:b::1\b/im],
  ['_one._tcp.marathon.slave.mesos', 'SRV', /\s0 1 31000 one-/],
  ['one.marathon.mesos', 'ANY', /\s9\.0\.1\.1\b/],
  ['one.marathon.mesos', 'TXT', /SOA\s+ns1\.mesos\./],
  ['one.marathon.autoip.dcos.thisdcos.directory', 'A', /\s9\.0\.1\.1\b/],
  ['one.marathon.containerip.dcos.thisdcos.directory', 'AAAA', /fd01:b::1\b/],
  ['one.marathon.mesos.thisdcos.directory', 'A', /\s9\.0\.1\.1\b/],
  ['one.marathon.mesos.c3zs6aubqe.dcos.directory', 'A', /\s9\.0\.1\.1\b/],
  ['web.marathon.l4lb.thisdcos.directory', 'A', /\s127\.64\./],
  ['web.marathon.dclb.thisdcos.global', 'A', /\s127\.64\./],
  ['leader.mesos', 'A', /\s10\.0\.0\.1\b/],
  ['_leader._tcp.mesos', 'SRV', /\s0 1 5050 leader\.mesos\./],
  ['zk-5.zk', 'A', /\s10\.0\.0\.1\b/],
  ['ready.spartan', 'ANY', /\s127\.0\.0\.1\b/],
  ['mesos', 'SOA', /\sroot\.ns1\.mesos\./],
  ['mesos', 'NS', /\sns1\.mesos\./],
  ['mesos', 'ANY', /\s(SOA|NS)\s/],
  ['dcos.thisdcos.directory', 'SOA', /support\.mesosphere\.com\./],
  ['zk', 'NS', /ns\.spartan\./],
  ['marathon.mesos', 'A', /NOERROR/],
  ['nothing.mesos', 'A', /NXDOMAIN/],
  ['nothing.zk', 'AAAA', /NXDOMAIN/],
  ['elsewhere.example', 'A', /\s192\.0\.2\.80\b/],
  ['nosuchzone.thisdcos.directory', 'A', /REFUSED/],
];
const large: readonly (readonly [name: string, type: string, shown: RegExp])[] = [
  ['web.shop.marathon.mesos', 'A', /\s9\.0\.1\.40\b/],
  ['web.shop.marathon.mesos', 'AAAA', /fd01:b::28\b/],
  ['_web-shop._tcp.marathon.mesos', 'SRV', /\s0 1 80 web-shop-/],
  ['_http._web.shop._tcp.marathon.mesos', 'SRV', /\s0 1 80 web\.shop-/],
  ['slave.mesos', 'A', /\s10\.1\.0\.40\b/],
];

function clientsTest(
  client: 'dig' | 'kdig' | 'drill',
  asked: (name: string, type: string, tcp: boolean) => readonly string[],
  more: (t: Test, daemon: RunningDaemon, ask: (...args: readonly string[]) => Promise<string>) => Promise<void>,
): void {
  t.test(client, { skip: needs(client) }, async (t) => {
    const { daemon, change } = await cluster(t);
    const at =
      client === 'drill'
        ? ['-p', String(daemon.port('dns')), '@127.0.0.1']
        : ['@127.0.0.1', '-p', String(daemon.port('dns'))];
    const ask = async (...args: readonly string[]): Promise<string> => {
      const text = await output(client, [...at, ...args]);
      t.notMatch(text, complaint, args.join(' '));
      return text;
    };
    for (const tcp of [false, true]) {
      const all = tcp ? [...questions, ...large] : questions;
      const answers = await Promise.all(all.map(([name, type]) => ask(...asked(name, type, tcp))));
      all.forEach(([name, type, shown], i) =>
        t.match(answers[i], shown, `${name} ${type} over ${tcp ? 'TCP' : 'UDP'}`),
      );
    }
    await more(t, daemon, ask);
    if (client === 'drill') return;
    const zone = await ask('mesos', 'AXFR');
    const serial = Number(/SOA\s+ns1\.mesos\. root\.ns1\.mesos\. (\d+)/.exec(zone)?.[1]);
    t.equal(zone.match(/^web-shop-\S+\.marathon\.mesos\.\s+60\s+IN\s+A\s/gm)?.length, instances);
    for (const apex of ['dcos.thisdcos.directory', 'l4lb.thisdcos.directory', 'zk', 'spartan'])
      t.match(await ask(apex, 'AXFR'), /\sSOA\s[^]*\sSOA\s/, apex);
    change();
    const gone = (text: string): boolean => !/^web-shop\S* \d+ IN A 9\.0\.1\.1$/m.test(text);
    for (const until = Date.now() + 10_000; !gone(await daemon.get('/v1/zone')) && Date.now() < until;)
      await new Promise((resolve) => setTimeout(resolve, 50));
    const changes = await ask('mesos', `IXFR=${serial}`);
    t.match(
      changes,
      /web-shop-\S+\.marathon\.mesos\.\s+60\s+IN\s+A\s+9\.0\.1\.1\b/,
      'IXFR tells of the task that went',
    );
    t.notMatch(changes, /9\.0\.1\.40\b/, 'and of no other');
  });
}

clientsTest(
  'dig',
  (name, type, tcp) => ['+tries=1', ...(tcp ? ['+tcp'] : []), name, type],
  async (t, _daemon, ask) => {
    const name = 'one.marathon.mesos';
    t.match(await ask(name, '+cookie'), /COOKIE: [0-9a-f]+ \(good\)/);
    t.match(await ask(name, '+bufsize=512'), /udp: 1232/);
    t.match(await ask(name, '+bufsize=65535'), /ANSWER: 1/);
    t.match(await ask(name, '+noedns'), /ADDITIONAL: 0/);
    t.match(await ask(name, '+dnssec'), /flags: do/);
    t.match(await ask(name, '+nsid', '+ednsopt=65001:abcd', '+subnet=10.0.0.0/24', '+padding=64'), /ANSWER: 1/);
    t.match(await ask(name, '+edns=3', '+noednsneg'), /status: BADVERS/);
    t.match(await ask(name, '+opcode=notify'), /status: NOTIMP/);
    t.match(await ask(name, '+opcode=update'), /status: NOTIMP/);
    t.match(await ask('version.bind', 'TXT', 'CH'), /status: REFUSED/);
    t.match(await ask('-x', '10.1.0.7'), /PTR\s+agent-7\.corp\.example\./);
    t.match(await ask('-x', '9.0.1.7'), /PTR\s+web-shop-\S+\.marathon\.mesos\./);
    t.match(await ask('-x', '10.200.0.1'), /status: NXDOMAIN/);
    t.match(await ask('web.shop.marathon.mesos', '+bufsize=512'), /Truncated, retrying in TCP mode[^]*ANSWER: 40/);
  },
);

clientsTest(
  'kdig',
  (name, type, tcp) => [...(tcp ? ['+tcp'] : []), name, type],
  async (t, _daemon, ask) => {
    const name = 'one.marathon.mesos';
    t.match(await ask('+cookie', name), /COOKIE/);
    t.match(await ask('+bufsize=512', name), /9\.0\.1\.1\b/);
    t.match(await ask('+nsid', '+dnssec', name), /9\.0\.1\.1\b/);
    t.match(await ask('-x', '10.1.0.7'), /PTR\s+agent-7\.corp\.example\./);
  },
);

clientsTest(
  'drill',
  (name, type, tcp) => [...(tcp ? ['-t'] : []), name, type],
  async (t, _daemon, ask) => {
    t.match(await ask('-D', 'one.marathon.mesos'), /9\.0\.1\.1\b/);
    t.match(await ask('-b', '512', 'one.marathon.mesos'), /9\.0\.1\.1\b/);
    t.match(await ask('-x', '10.1.0.7'), /PTR\s+agent-7\.corp\.example\./);
  },
);
