// Fuzzing of DNS: mutated packets to the running function in this process, replies of upstreams that lie, then packets and streams to a
// daemon. Nothing may crash or hang, every answer must be well formed and no longer than allowed, and memory must stay in bounds.

import { seededRandom } from '../../src/runtime/index.ts';
import { fuzzDaemon } from './dns-daemon.ts';
import { dnsSeeds } from './dns-packets.ts';
import { fuzzResponder, fuzzUpstreams } from './dns-responder.ts';
import { runFuzz } from './fuzz-run.ts';

const defaultCount = 20_000;

/** `--count` packets go each to the responder (with `strict` on and off), over UDP and over TCP, and as many replies are relayed. */
export function run(args: readonly string[]): Promise<number> {
  return runFuzz('dns', args, defaultCount, async ({ count, seed }, progress) => {
    const seeds = dnsSeeds();
    fuzzResponder(seeds, seed, count, progress);
    fuzzUpstreams(seed, count, progress);
    await fuzzDaemon(seeds, seededRandom(seed + 1), count, progress);
  });
}
