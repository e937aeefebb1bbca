// Fuzzing of DNS: mutated packets to the running function in this process, then packets and streams to a daemon. Nothing may crash or
// hang, every answer must be well formed and no longer than allowed, and the daemon's memory must stay in bounds.

import { seededRandom, type Random } from '../../src/runtime/index.ts';
import { taskId } from '../../src/cluster/index.ts';
import { askZone } from '../dns/questions.ts';
import { liveZone, putTask, sampleMasters, samplePort, sampleTask } from '../dns/samples.ts';
import { fuzzDaemon } from './dns-daemon.ts';
import { checkReply, dnsSeeds } from './dns-packets.ts';
import { Finding, runFuzz } from './fuzz-run.ts';
import { mutated } from './mutation.ts';

const defaultCount = 20_000;
const instances = 60;

export function run(args: readonly string[]): Promise<number> {
  return runFuzz('dns', args, defaultCount, async ({ count, seed }, progress) => {
    const seeds = dnsSeeds();
    for (const strict of [true, false]) fuzzResponder(seeds, seededRandom(seed), count, strict, progress);
    await fuzzDaemon(seeds, seededRandom(seed + 1), count, progress);
  });
}

function fuzzResponder(
  seeds: readonly Buffer[],
  random: Random,
  count: number,
  strict: boolean,
  progress: (part: string, done: number) => void,
): void {
  const tasks = Array.from({ length: instances }, (_, i) =>
    putTask(
      sampleTask({
        id: taskId(`app-0.${i}`),
        discoveryName: 'app-0',
        ports: [samplePort({ name: 'http', hostPort: 31_000 + i })],
        addresses: [{ ip: `9.0.0.${i}`, network: 'dcos' }],
      }),
    ),
  );
  const zone = liveZone({ ipSources: ['netinfo'] }, { type: 'masters', masters: sampleMasters }, ...tasks);
  const { responder } = askZone(zone.index, (answers) => Math.floor(random() * answers), strict);
  for (let i = 0; i < count; i++) {
    const packet = mutated(seeds, random, 4096);
    const transport = random() < 0.5 ? 'udp' : 'tcp';
    const before = Buffer.from(packet);
    let reply: ReturnType<typeof responder.reply>;
    try {
      reply = responder.reply(packet, transport, '127.0.0.1');
    } catch (error) {
      throw new Finding(`the responder threw ${String(error)}`, before);
    }
    // Not strict, replies are as long as the client says it can take.
    if (Buffer.isBuffer(reply)) checkReply(before, reply, strict ? transport : 'tcp');
    progress(strict ? 'responder' : 'responder as the references', i);
  }
}
