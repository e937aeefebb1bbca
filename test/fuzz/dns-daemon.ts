// The half of DNS's fuzzing that goes over sockets to a daemon.

import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterState } from '../../bench/cluster-state.ts';
import type { Random } from '../../src/runtime/index.ts';
import { startDaemon, type RunningDaemon } from '../feature/daemon.ts';
import { checkForm, checkReply, encode, question } from './dns-packets.ts';
import { Finding } from './fuzz-run.ts';
import { below, mutated, noise } from './mutation.ts';

/** As many as the daemon's socket holds for it. */
const batch = 120;
const patienceMs = 5000;
/** Packets sent on one TCP connection. */
const mostFrames = 100;
/** TCP connections at once, and after how many a connection of its own must be answered. */
const streamsAtOnce = 8;
const mostGrowthMegabytes = 200;

/** `count` packets over UDP and as many over TCP. After each batch a proper question must be answered over both. */
export async function fuzzDaemon(
  seeds: readonly Buffer[],
  random: Random,
  count: number,
  progress: (part: string, done: number) => void,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-fuzz-'));
  const path = join(directory, 'state.json');
  writeFileSync(path, JSON.stringify(clusterState({ apps: 2, instances: 60 })));
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path } }],
      dns: { listen: ['127.0.0.1:0'], http: null, externalOn: false },
      admin: { listen: '127.0.0.1:0' },
      workers: 0,
    }),
  );
  const socket = createSocket('udp4');
  try {
    const port = daemon.port('dns');
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const before = residentMegabytes(daemon);
    for (let sent = 0; sent < count; sent += batch) {
      await udpBatch(socket, port, seeds, random);
      progress('daemon over UDP', sent);
    }
    for (let sent = 0; sent < count;) {
      const streams = Array.from({ length: streamsAtOnce }, () => tcpStream(port, seeds, random));
      for (const frames of await Promise.all(streams)) sent += frames;
      await probeTcp(port);
      progress('daemon over TCP', sent);
    }
    const grown = residentMegabytes(daemon) - before;
    if (grown > mostGrowthMegabytes) throw new Error(`the daemon's memory grew by ${grown} MB`);
    process.stdout.write(
      `     dns: the daemon held ${Math.round(before)} MB before, and ${Math.round(grown)} MB more in the end\n`,
    );
    const bug = daemon.log.find(({ msg, level }) => level === 'error' || String(msg).includes('bug of ours'));
    if (bug !== undefined) throw new Error(`the daemon logged ${JSON.stringify(bug)}`);
  } finally {
    socket.close();
    await daemon.stop();
    rmSync(directory, { recursive: true });
  }
}

/** Memory that the daemon holds; throws where it has ended. */
export function residentMegabytes({ child, ready }: RunningDaemon): number {
  if (child.exitCode !== null) throw new Error(`the daemon ended with ${child.exitCode}`);
  const status = readFileSync(`/proc/${ready.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
}

const probe = (id: number): Buffer => encode({ questions: [question('ready.spartan', 'A')] }, id);

const firstProbeId = 0xff00;
let batches = 0;

/** The packets of one batch, then a question: its answer is the sign that all before it were seen. */
async function udpBatch(socket: UdpSocket, port: number, seeds: readonly Buffer[], random: Random): Promise<void> {
  const packets = new Map<number, Buffer>();
  // An id that no packet has, and another each time: an answer that comes late must not be taken for one of this batch.
  const probeId = firstProbeId + (batches++ % 0x100);
  for (let i = 0; i < batch; i++) {
    const packet = mutated(seeds, random, 4096);
    if (packet.length >= 2) packet.writeUInt16BE(idFor(packets, random), 0);
    if (packet.length >= 2) packets.set(packet.readUInt16BE(0), packet);
    socket.send(packet, port, '127.0.0.1');
  }
  await new Promise<void>((resolve, reject) => {
    const last = [...packets.values()].at(-1) ?? Buffer.alloc(0);
    let repeats = 0;
    const timer = setInterval(() => {
      if (++repeats * 500 > patienceMs) settle(new Finding('no answer over UDP after these', last));
      else socket.send(probe(probeId), port, '127.0.0.1');
    }, 500);
    const onMessage = (reply: Buffer): void => {
      const id = reply.length >= 2 ? reply.readUInt16BE(0) : -1;
      if (id === probeId) return settle(undefined);
      try {
        const packet = packets.get(id);
        if (packet !== undefined) checkReply(packet, reply, { transport: 'udp', strict: true });
      } catch (error) {
        settle(error);
      }
    };
    const settle = (error: unknown): void => {
      clearInterval(timer);
      socket.off('message', onMessage);
      if (error === undefined) resolve();
      else reject(error instanceof Error ? error : new Error(String(error)));
    };
    socket.on('message', onMessage);
    socket.send(probe(probeId), port, '127.0.0.1');
  });
}

function idFor(taken: ReadonlyMap<number, Buffer>, random: Random): number {
  for (;;) {
    const id = below(random, firstProbeId);
    if (!taken.has(id)) return id;
  }
}

/**
 * One connection: frames in pieces, some with a wrong length, some streams cut off. What comes back must be frames of well-formed
 * messages. Returns how many packets were sent.
 */
async function tcpStream(port: number, seeds: readonly Buffer[], random: Random): Promise<number> {
  const count = 1 + below(random, mostFrames);
  const stream = Buffer.concat(Array.from({ length: count }, () => framed(mutated(seeds, random, 4096), random)));
  // From many addresses: closed connections hold their ports for a minute.
  const localAddress = `127.0.0.${1 + below(random, 200)}`;
  const socket = connect({ host: '127.0.0.1', port, localAddress, allowHalfOpen: true });
  socket.on('error', () => socket.destroy());
  const received: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => received.push(chunk));
  const ended = new Promise<void>((resolve) => {
    socket.once('end', resolve);
    socket.once('close', resolve);
  });
  for (let at = 0; at < stream.length;) {
    const size = 1 + below(random, random() < 0.2 ? 3 : 2000);
    socket.write(stream.subarray(at, at + size));
    at += size;
    if (random() < 0.2) await new Promise((resolve) => setImmediate(resolve));
  }
  if (random() < 0.1) socket.destroy();
  else socket.end();
  await within(ended, () => new Finding('a TCP connection that was not ended', stream));
  socket.destroy();
  checkFrames(stream, Buffer.concat(received));
  return count;
}

function framed(message: Buffer, random: Random): Buffer {
  const length = Buffer.alloc(2);
  length.writeUInt16BE(random() < 0.03 ? below(random, 0x10000) : message.length);
  return random() < 0.02 ? noise(random, 30) : Buffer.concat([length, message]);
}

/** A reply that the end of the connection cut off is nobody's fault. */
function checkFrames(stream: Buffer, received: Buffer): void {
  for (let at = 0; at + 2 <= received.length;) {
    const end = at + 2 + received.readUInt16BE(at);
    if (end > received.length) return;
    checkForm(stream, received.subarray(at + 2, end));
    at = end;
  }
}

async function probeTcp(port: number): Promise<void> {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => socket.destroy());
  const query = probe(1);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(query.length);
  const answered = new Promise<void>((resolve, reject) => {
    let octets = 0;
    socket.on('data', (chunk: Buffer) => {
      octets += chunk.length;
      if (octets >= query.length) resolve();
    });
    socket.once('close', () => reject(new Error('a connection closed unasked after such streams')));
  });
  socket.write(Buffer.concat([length, query]));
  await within(answered, () => new Error('no answer over TCP after such streams'));
  socket.removeAllListeners('close');
  socket.destroy();
}

async function within(work: Promise<void>, late: () => Error): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(late()), patienceMs);
  });
  await Promise.race([work, deadline]).finally(() => clearTimeout(timer));
}
