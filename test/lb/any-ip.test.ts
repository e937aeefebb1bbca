// Ranges of VIPs made local, in a network namespace of its own.

import { spawnSync } from 'node:child_process';
import t from 'tap';
import { makeRangesLocal, type Commands, type Outcome } from '../../lb/index.ts';
import { networksOf, parseRange } from '../../lb/address-range.ts';
import { needs } from '../needs.ts';

t.test('networks of a range', async (t) => {
  const of = (text: string, family: 4 | 6): unknown => {
    const range = parseRange(text, family);
    return 'rejected' in range ? range : networksOf(range);
  };
  t.strictSame(of('11.0.0.0-11.255.255.255', 4), ['11.0.0.0/8']);
  t.strictSame(of('10.0.0.1-10.0.0.6', 4), ['10.0.0.1/32', '10.0.0.2/31', '10.0.0.4/31', '10.0.0.6/32']);
  t.strictSame(of('0.0.0.0-255.255.255.255', 4), ['0.0.0.0/0']);
  t.strictSame(of('fd01:c::-fd01:c::ffff:ffff:ffff:ffff', 6), ['fd01:c::/64']);
});

t.test('what is done, and what is said where it cannot be', async (t) => {
  const asked: string[] = [];
  const answer = (code: number, stderr: string): Commands => ({
    run: (tool, args): Promise<Outcome> => {
      asked.push([tool, ...args].join(' '));
      return Promise.resolve({ code, stdout: '', stderr });
    },
    follow: () => ({ close: () => undefined }),
  });
  const ranges = { range: '11.0.0.0/8', range6: 'fd01:c::/64' };
  t.strictSame(await makeRangesLocal(answer(0, ''), ranges), { networks: ['11.0.0.0/8', 'fd01:c::/64'], reason: null });
  t.strictSame(asked, ['ip -4 route replace local 11.0.0.0/8 dev lo', 'ip -6 route replace local fd01:c::/64 dev lo']);
  t.strictSame(await makeRangesLocal(answer(2, 'RTNETLINK answers: Operation not permitted\n'), ranges), {
    networks: [],
    reason: 'RTNETLINK answers: Operation not permitted',
  });
  asked.length = 0;
  await makeRangesLocal(answer(0, ''), { range: '127.11.0.0/16', range6: null });
  t.strictSame(asked, [], 'loopback is local');
});

const program = `
import { createServer, connect } from 'node:net';
import { spawnSync } from 'node:child_process';
import { directCommands, makeRangesLocal } from ${JSON.stringify(new URL('../../lb/index.ts', import.meta.url).href)};
spawnSync('ip', ['link', 'set', 'lo', 'up']);
const { networks } = await makeRangesLocal(directCommands, { range: '11.0.0.0/8', range6: 'fd01:c::/64' });
await makeRangesLocal(directCommands, { range: '11.0.0.0/8', range6: 'fd01:c::/64' });
for (const ip of ['11.225.36.193', 'fd01:c::5']) {
  const server = createServer((socket) => socket.end(socket.localAddress));
  await new Promise((resolve) => server.listen(80, ip, resolve));
  const text = await new Promise((resolve, reject) => connect(80, ip).on('data', resolve).on('error', reject));
  console.log(String(text));
  server.close();
}
console.log(networks.join(' '));
`;

t.test('any address of the range can be bound', { skip: needs('root', 'ip', 'unshare') }, async (t) => {
  const args = ['-n', process.execPath, '--input-type=module-typescript', '-e', program];
  const { stdout, stderr, status } = spawnSync('unshare', args, { encoding: 'utf8', timeout: 20_000 });
  t.equal(status, 0, stderr);
  t.strictSame(stdout.trim().split('\n'), ['11.225.36.193', 'fd01:c::5', '11.0.0.0/8 fd01:c::/64']);
});
