// The load of bench/http2-mixed, as a program of its own: `PORT SECONDS CONNECTIONS FAST SLOW`. Fast streams ask for small answers twenty
// times a second, which leaves the processors time, so that what is measured is no queue; slow ones take a large answer by a few kilobytes ten times a second.

import { once } from 'node:events';
import { connect, type ClientHttp2Session } from 'node:http2';
import { setTimeout as pause } from 'node:timers/promises';
import { host } from './router-peers.ts';

const slowBytes = 4096;
const slowMs = 100;
const fastMs = 50;

const [port = 0, seconds = 0, connections = 1, fast = 0, slow = 0] = process.argv.slice(2).map(Number);
/** The slow ones' first windows are a load of their own, which is over then. */
const warmMs = 2000;
const endAt = performance.now() + warmMs + seconds * 1000;
const latencies: number[] = [];
const counts: number[] = [];
const slowReceived: number[] = [];
let failures = 0;

const sessions = await Promise.all(Array.from({ length: connections }, open));
for (let i = 0; i < slow; i++) void drip(sessions[i % connections] as ClientHttp2Session, i);
await Promise.all(
  Array.from({ length: fast }, (_, i) => askOnAndOn(sessions[i % connections] as ClientHttp2Session, i)),
);
for (const session of sessions) session.destroy();
process.stdout.write(JSON.stringify(result()));
process.exit();

async function open(): Promise<ClientHttp2Session> {
  // The certificate is of this run alone.
  const session = connect(`https://127.0.0.1:${port}`, { servername: host, rejectUnauthorized: false });
  session.on('error', () => failures++);
  await once(session, 'remoteSettings');
  return session;
}

async function askOnAndOn(session: ClientHttp2Session, i: number): Promise<void> {
  counts[i] = 0;
  await pause((fastMs * i) / fast);
  while (performance.now() < endAt) {
    const at = performance.now();
    const stream = session.request({ ':authority': host, ':path': '/' });
    stream.resume();
    try {
      await once(stream, 'end');
      latencies.push(performance.now() - at);
      counts[i]++;
    } catch {
      failures++;
    }
    await pause(fastMs);
  }
}

async function drip(session: ClientHttp2Session, i: number): Promise<void> {
  slowReceived[i] = 0;
  while (performance.now() < endAt) {
    const stream = session.request({ ':authority': host, ':path': '/large' });
    stream.on('readable', () => undefined).on('error', () => undefined);
    const timer = setInterval(() => {
      const part = stream.read(slowBytes) as Buffer | null;
      slowReceived[i] = (slowReceived[i] ?? 0) + (part?.length ?? 0);
    }, slowMs);
    await new Promise((resolve) => stream.once('close', resolve));
    clearInterval(timer);
  }
}

function result(): Readonly<Record<string, number>> {
  const sorted = latencies.sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? NaN;
  return {
    slow,
    fastRequests: sorted.length,
    failures,
    p50Milliseconds: at(0.5),
    p99Milliseconds: at(0.99),
    fewest: Math.min(...counts),
    mean: sorted.length / Math.max(1, fast),
    slowMegabytes: slowReceived.reduce((sum, bytes) => sum + bytes, 0) / 1_000_000,
    fewestSlowBytes: slow === 0 ? 0 : Math.min(...slowReceived),
  };
}
