// The plane against the kernel itself, in a namespace of its own: what it writes is read back as the same, so that a start which finds
// everything in place writes nothing.

import { spawn, spawnSync } from 'node:child_process';
import t from 'tap';
import type { Commands, Outcome } from '../../../lb/kernel/command.ts';
import { createFlows } from '../../../lb/kernel/flows.ts';
import { KernelPlane } from '../../../lb/kernel/kernel-plane.ts';
import { createNft } from '../../../lb/kernel/nft.ts';
import { retireKernelTable } from '../../../lb/kernel/retire.ts';
import { testKernel } from '../../../lb/kernel/self-test.ts';
import { createMetrics, silentLogger, systemClock } from '../../../src/runtime/index.ts';
import { needs } from '../../needs.ts';
import { vip } from './vips.ts';

const ranges = { range: '11.0.0.0-11.255.255.255', range6: 'fd01:c::-fd01:c::ffff:ffff:ffff:ffff' };
const skip = needs('root', 'ip', 'nftables', 'conntrack');

/** Tools inside of a namespace; `inputs` are what was given to `nft -f -`. */
function commandsIn(name: string): Commands & { readonly inputs: string[] } {
  const inputs: string[] = [];
  return {
    inputs,
    run: (tool, args, input) =>
      new Promise<Outcome>((resolve) => {
        if (input !== undefined) inputs.push(input);
        const child = spawn('ip', ['netns', 'exec', name, tool, ...args]);
        const out: string[] = [];
        const err: string[] = [];
        child.stdout.on('data', (part: Buffer) => out.push(part.toString()));
        child.stderr.on('data', (part: Buffer) => err.push(part.toString()));
        child.once('close', (code) => resolve({ code, stdout: out.join(''), stderr: err.join('') }));
        child.stdin.on('error', () => undefined).end(input ?? '');
      }),
    follow: () => ({ close: () => undefined }),
  };
}

function planeIn(commands: Commands): KernelPlane {
  return new KernelPlane({
    kernel: createNft(commands),
    flows: createFlows(commands),
    hairpins: { tend: () => Promise.resolve(), problem: () => null },
    ranges,
    surroundings: () => ({
      own: new Set(['192.0.2.1', '2001:db8::1']),
      interfaces: ['br-1', 'eth0.7'],
      inside: ['br-1'],
    }),
    drainMs: 0,
    clock: systemClock,
    log: silentLogger,
    metrics: createMetrics(),
  });
}

t.test('what is written is read back', { skip }, async (t) => {
  const name = `isthnft${process.pid}`;
  spawnSync('ip', ['netns', 'add', name]);
  t.teardown(() => void spawnSync('ip', ['netns', 'del', name]));
  const commands = commandsIn(name);
  const allow = ['10.0.0.0/8', '10.1.2.0/24', '192.168.1.7', '172.16.5.9/12', 'fd00::/8', '2001:db8::7'];
  const table = new Map([
    vip('tcp/11.0.0.5:80', ['10.0.0.1:8080', '10.0.0.2:8080', '10.0.0.3:8080/3']),
    vip('udp/11.0.0.5:53', ['10.0.0.1:53', '10.0.0.2:53/0.5']),
    vip('tcp/11.0.0.6:443', ['10.0.0.1:443/0']),
    vip('tcp/11.0.0.7:80', ['10.0.0.1:80', '10.0.0.2:80'], { policy: 'maglev' }),
    vip('tcp/11.0.0.8:80', ['10.0.0.1:80'], { allow }),
    vip('tcp/[fd01:c::5]:80', ['[fd00::1]:80', '[fd00::a:0:0:2]:80'], { allow }),
    vip('udp/[fd01:c::6]:53', ['[fd00::1]:53'], { policy: 'maglev' }),
    vip('tcp/[fd01:c::7]:53', []),
    vip('tcp/11.0.0.9:80', ['10.0.0.1:80'], { rate: { perSecond: 100, burst: 100 }, connections: 20 }),
    vip('tcp/[fd01:c::9]:80', ['[fd00::1]:80'], { rate: { perSecond: 0.5, burst: 5 } }),
  ]);
  const first = planeIn(commands);
  await first.replace(table);
  await first.stop();
  commands.inputs.length = 0;
  const second = planeIn(commands);
  await second.replace(table);
  t.same(commands.inputs, [], 'the next one finds nothing to write');
  table.set(...vip('tcp/11.0.0.8:80', ['10.0.0.1:80'], { allow: ['10.0.0.0/9'] }));
  table.delete('tcp/[fd01:c::5]:80');
  await second.apply({
    set: [vip('tcp/11.0.0.8:80', ['10.0.0.1:80'], { allow: ['10.0.0.0/9'] })],
    removed: ['tcp/[fd01:c::5]:80'],
  });
  await second.stop();
  commands.inputs.length = 0;
  const third = planeIn(commands);
  await third.replace(table);
  t.same(commands.inputs, [], 'nor after a change');
  await commands.run('nft', ['flush', 'chain', 'inet', 'isthmus', 'limit6-r30mb5']);
  await third.look();
  t.match(
    commands.inputs.splice(0).join(''),
    /add rule inet isthmus limit6-r30mb5 update @rate6-30m5/,
    'a limit that somebody emptied',
  );
  await third.look();
  t.same(commands.inputs, [], 'is put right');
  t.same(await retireKernelTable(commands), true);
  await third.look();
  await third.stop();
  t.match(
    commands.inputs.at(-1),
    /^table inet isthmus\ndelete table/,
    'a table out of force is replaced at one stroke',
  );
});

t.test('the self-test', { skip }, async (t) => {
  const name = `isthself${process.pid}`;
  spawnSync('ip', ['netns', 'add', name]);
  t.teardown(() => void spawnSync('ip', ['netns', 'del', name]));
  const commands = commandsIn(name);
  const result = await testKernel(commands, ranges);
  t.equal(result.unfit, null);
  t.match(result.lacks, [/no route to 11\.0\.0\.0/]);
  t.equal((await commands.run('nft', ['list', 'ruleset'])).stdout, '', 'it changes nothing');
  t.equal(await retireKernelTable(commands), false, 'there was none');
});

t.test('why the kernel plane cannot serve', async (t) => {
  const failing = (outcome: Partial<Outcome>): Commands => ({
    run: (_, args) =>
      Promise.resolve({
        code: args[0] === '--version' ? 0 : 1,
        stdout: '',
        stderr: '',
        ...(args[0] === '--version' && outcome.code !== null ? {} : outcome),
      }),
    follow: () => ({ close: () => undefined }),
  });
  const why = async (outcome: Partial<Outcome>, of = ranges): Promise<string | null> =>
    (await testKernel(failing(outcome), of)).unfit;
  t.match(await why({ code: null }), /nft is not installed/);
  t.match(await why({ stderr: 'Operation not permitted (you must be root)' }), /leave to program nftables/);
  t.match(await why({ stderr: '\n/dev/stdin:3:1-5: Error: Could not process rule: Not supported\n' }), /Not supported/);
  t.match(await why({}, { ...ranges, range: '127.11.0.0-127.11.255.255' }), /never leave the machine/);
});
