// One round of load on a server by wrk: requests, processor time of the server, latencies.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { processorMicroseconds, runLoad } from './processes.ts';
import { host, type Target } from './router-peers.ts';

export interface Load {
  readonly path: string;
  readonly seconds: number;
  readonly connections: number;
  /** A connection for each request. */
  readonly anew: boolean;
  /** Above 0: there are so many, and Host goes through ten of them, `host-0.example` first, evenly spread. */
  readonly hosts: number;
}

export interface RouterSample {
  readonly server: string;
  readonly units: number;
  readonly failures: number;
  readonly microsecondsPerUnit: number;
  readonly unitsPerSecond: number;
  readonly p50Milliseconds: number;
  readonly p99Milliseconds: number;
  readonly p999Milliseconds: number;
}

/** Prints what wrk's own summary lacks. */
const script = (load: Load): string => `
local hosts, at = ${load.hosts}, 0
request = function()
  local headers = {}
  if hosts > 0 then
    at = (at + hosts / 10) % hosts
    headers["Host"] = string.format("host-%d.example", at)
  else headers["Host"] = "${host}" end
  ${load.anew ? 'headers["Connection"] = "close"' : ''}
  return wrk.format("GET", "${load.path}", headers)
end
${load.hosts > 0 ? '' : 'local once = nil\nlocal make = request\nrequest = function() once = once or make() return once end'}
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\\n", summary.requests, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
`;

export async function runRound(target: Target, load: Load, directory: string): Promise<RouterSample> {
  const { server, pid, port, ip = '127.0.0.1' } = target;
  const path = join(directory, 'load.lua');
  writeFileSync(path, script(load));
  const before = processorMicroseconds(pid);
  const output = await runLoad(
    'wrk',
    ['-t1', `-c${load.connections}`, `-d${load.seconds}s`, '-s', path, `http://${ip}:${port}/`],
    load.seconds + 30,
  );
  const used = processorMicroseconds(pid) - before;
  const [, ...numbers] = /^RESULT (\d+) (\d+) (\d+) (\d+) (\d+)$/m.exec(output) ?? [];
  const [units = 0, failures = 0, p50 = 0, p99 = 0, p999 = 0] = numbers.map(Number);
  // Without keep-alive wrk counts each end of a connection as a read error.
  const lost = load.anew ? 0 : failures;
  if (units === 0 || lost > 0) throw new Error(`${server}: ${units} requests, ${lost} of them failed: ${output}`);
  return {
    server,
    units,
    failures: lost,
    microsecondsPerUnit: used / units,
    unitsPerSecond: units / load.seconds,
    p50Milliseconds: p50 / 1000,
    p99Milliseconds: p99 / 1000,
    p999Milliseconds: p999 / 1000,
  };
}
