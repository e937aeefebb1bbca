// Fuzzing of HTTP/1.1 through the router: mutated requests to a daemon, then mutated answers of a backend. Nothing may crash or hang,
// and no connection may ever see the token of another's request.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterState } from '../../bench/cluster-state.ts';
import { seededRandom, type Random } from '../../src/runtime/index.ts';
import { startDaemon, type RunningDaemon } from '../feature/daemon.ts';
import { Finding, runFuzz } from './fuzz-run.ts';
import { residentMegabytes } from './dns-daemon.ts';
import { exchange, startTokenBackend, tokensIn, type TokenBackend } from './http1-wire.ts';
import { below, mutated } from './mutation.ts';

const defaultCount = 1000;
const atOnce = 64;
const mostGrowthMegabytes = 200;

export function run(args: readonly string[]): Promise<number> {
  return runFuzz('http1', args, defaultCount, async ({ count, seed }, progress) => {
    const random = seededRandom(seed);
    const backend = await startTokenBackend(seededRandom(seed + 1));
    const directory = mkdtempSync(join(tmpdir(), 'isthmus-fuzz-'));
    const path = join(directory, 'state.json');
    writeFileSync(path, JSON.stringify(clusterState({ apps: 1, instances: 1 })));
    const daemon = await startDaemon(configOf(path, backend.port));
    try {
      const before = residentMegabytes(daemon);
      backend.mutates = false;
      await fuzzPart(daemon, random, count, true, (done) => progress('requests', done));
      backend.mutates = true;
      await fuzzPart(daemon, random, count, false, (done) => progress('answers', done));
      checkDaemon(daemon, backend, before);
    } finally {
      await daemon.stop();
      await backend.close();
      rmSync(directory, { recursive: true });
    }
  });
}

function configOf(path: string, port: number): string {
  const short = { header: '300ms', body: '300ms', idle: '300ms', responseHeader: '500ms', response: '500ms' };
  return JSON.stringify({
    cluster: [{ file: { path } }],
    router: {
      http: ['127.0.0.1:0'],
      routes: [{ host: 'fuzz.example', to: [`http://127.0.0.1:${port}`] }],
      timeouts: short,
    },
    admin: { listen: '127.0.0.1:0' },
    workers: 0,
  });
}

/** `count` connections, some at once; each has its own token, and with `mutates` its requests are mutated. */
async function fuzzPart(
  daemon: RunningDaemon,
  random: Random,
  count: number,
  mutates: boolean,
  progress: (done: number) => void,
): Promise<void> {
  const port = daemon.port('router.http');
  const issued = new Set<string>();
  let answered = 0;
  for (let done = 0; done < count; done += atOnce) {
    const streams = Array.from({ length: Math.min(atOnce, count - done) }, () => {
      const token = tokenOf(random);
      const seeds = seedsOf(token);
      const requests = Array.from({ length: 1 + below(random, 3) }, () =>
        mutates ? mutated(seeds, random, 20_000) : (seeds[below(random, wellFormed)] as Buffer),
      );
      return { token, bytes: Buffer.concat(requests) };
    });
    for (const { token } of streams) issued.add(token);
    await Promise.all(
      streams.map(async ({ token, bytes }) => {
        const received = await exchange(port, bytes, random);
        if (received.includes(token)) answered++;
        const strange = tokensIn(received).find((seen) => seen !== token && issued.has(seen));
        if (strange !== undefined) throw new Finding(`the answer of ${strange} went to ${token}`, bytes);
      }),
    );
    await probe(port, random, Buffer.concat(streams.map(({ bytes }) => bytes)));
    progress(done);
  }
  if (answered === 0) throw new Error('no request was answered');
}

const tokenOf = (random: Random): string =>
  `t${Array.from({ length: 12 }, () => '0123456789abcdef'[below(random, 16)]).join('')}`;

/** The first of the seeds are requests as they should be. */
const wellFormed = 4;

function seedsOf(token: string): readonly Buffer[] {
  const head = (method: string, ...lines: readonly string[]): string =>
    [`${method} /${token} HTTP/1.1`, 'Host: fuzz.example', ...lines, '', ''].join('\r\n');
  return [
    head('GET'),
    `${head('POST', 'Content-Length: 5')}hello`,
    `${head('POST', 'Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`,
    head('HEAD', 'Connection: keep-alive'),
    head('GET', 'Connection: close'),
    `${head('POST', 'Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
    `${head('POST', 'Content-Length: 5', 'Content-Length: 6')}hello`,
    `${head('PUT', 'Expect: 100-continue', 'Content-Length: 3')}abc`,
    head('GET', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Key: x'),
    head('OPTIONS', 'X-A: b', ' folded'),
    `GET http://fuzz.example/${token} HTTP/1.0\r\n\r\n`,
    `CONNECT fuzz.example:80 HTTP/1.1\r\nHost: fuzz.example\r\n\r\n`,
    `${head('POST', 'Transfer-Encoding: chunked')}5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ].map((text) => Buffer.from(text, 'latin1'));
}

/** A backend that answers as it should gets its answer through, whatever came before. */
async function probe(port: number, random: Random, after: Buffer): Promise<void> {
  const request = 'GET /probe HTTP/1.1\r\nHost: fuzz.example\r\nConnection: close\r\n\r\n';
  const received = await exchange(port, Buffer.from(request), random);
  const isUp = /^HTTP\/1\.1 (200|502|503|504) /.test(received);
  if (!isUp) throw new Finding(`a plain request got ${JSON.stringify(received.slice(0, 200))}`, after);
}

function checkDaemon(daemon: RunningDaemon, backend: TokenBackend, before: number): void {
  const grown = residentMegabytes(daemon) - before;
  if (grown > mostGrowthMegabytes) throw new Error(`the daemon's memory grew by ${grown.toFixed(0)} MB`);
  if (backend.requests === 0) throw new Error('no request ever came to the backend');
  const bug = daemon.log.find(({ msg, level }) => level === 'error' || String(msg).includes('bug of ours'));
  if (bug !== undefined) throw new Error(`the daemon logged ${JSON.stringify(bug)}`);
}
