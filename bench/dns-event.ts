// One task event in a cluster of any size: which answers it changes, and how many the daemon compiled for it.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDaemon, type RunningDaemon } from '../test/feature/daemon.ts';
import { clusterState } from './cluster-state.ts';

export interface EventOutcome {
  /** Answers asked for before and after. */
  readonly asked: number;
  /** `NAME TYPE` of those that are not what they were. */
  readonly changed: readonly string[];
  /** What `isthmus_dns_compiled_names_total` grew by when all were asked again, without the event and after it. */
  readonly compiledWithout: number;
  readonly compiledAfter: number;
}

export async function run(args: readonly string[]): Promise<number> {
  if (args.length > 0) {
    process.stderr.write('usage: npm run bench -- dns-event\n');
    return 2;
  }
  const outcome = await eventIn(50_000);
  const { asked, changed, compiledWithout, compiledAfter } = outcome;
  process.stdout.write(`of ${asked} answers, ${changed.length} changed: ${changed.join(', ')}\n`);
  process.stdout.write(`compiled: ${compiledWithout} without the event, ${compiledAfter} after it\n`);
  return compiledWithout === 0 && compiledAfter === changed.length ? 0 : 1;
}

/** Asks for every name, moves one task of `tasks` to another agent, and asks for every name again. */
export async function eventIn(tasks: number): Promise<EventOutcome> {
  const directory = mkdtempSync(join(tmpdir(), 'isthmus-event-'));
  const path = join(directory, 'state.json');
  const state = clusterState({ apps: tasks, instances: 1 }) as ClusterState;
  writeFileSync(path, JSON.stringify(state));
  const daemon = await startDaemon(
    JSON.stringify({
      cluster: [{ file: { path } }],
      dns: { listen: ['127.0.0.1:0'], http: null, loadbalance: 'off' },
      admin: { listen: '127.0.0.1:0' },
      workers: 0,
    }),
    { patienceMs: 120_000 },
  );
  try {
    const questions = questionsAbout(await zoneOf(daemon));
    const port = daemon.port('dns');
    const before = await askAll(port, questions);
    const start = await compiled(daemon);
    await askAll(port, questions);
    const still = await compiled(daemon);
    moveOne(state);
    writeFileSync(`${path}.new`, JSON.stringify(state));
    renameSync(`${path}.new`, path);
    await changeOf(port, 'app-0.marathon.mesos. A', before);
    const after = await askAll(port, questions);
    const end = await compiled(daemon);
    return {
      asked: questions.length,
      changed: questions.filter((question) => before.get(question) !== after.get(question)),
      compiledWithout: still - start,
      compiledAfter: end - still,
    };
  } finally {
    await daemon.stop();
    rmSync(directory, { recursive: true });
  }
}

interface ClusterState {
  readonly slaves: readonly { readonly id: string }[];
  readonly frameworks: readonly { readonly tasks: readonly { slave_id: string }[] }[];
}

/** The first task goes to the last agent. */
function moveOne(state: ClusterState): void {
  const task = state.frameworks[0]?.tasks[0];
  if (task !== undefined) task.slave_id = state.slaves.at(-1)?.id ?? '';
}

/** `/v1/zone`, of half a million lines in a large cluster, for which `daemon.get` would not wait. */
async function zoneOf(daemon: RunningDaemon): Promise<readonly string[]> {
  const response = await fetch(`http://${daemon.address('admin')}/v1/zone`, { signal: AbortSignal.timeout(120_000) });
  return (await response.text()).split('\n');
}

const mostWaits = 1200;

async function changeOf(port: number, question: string, before: ReadonlyMap<string, string>): Promise<void> {
  for (let waits = 0; waits < mostWaits; waits++) {
    if ((await askAll(port, [question])).get(question) !== before.get(question)) return;
    await sleep(100);
  }
  throw new Error('the event never reached the zone');
}

/** `NAME TYPE` of what is there. SOA is left out: its serial is another one after any change. */
function questionsAbout(lines: readonly string[]): readonly string[] {
  const questions = lines.flatMap((line) => {
    const [name = '', , , type = ''] = line.split(' ');
    return type in typeNumbers ? [`${name} ${type}`] : [];
  });
  return [...new Set(questions)];
}

const typeNumbers: Readonly<Record<string, number>> = { A: 1, NS: 2, PTR: 12, TXT: 16, AAAA: 28, SRV: 33 };

const atOnce = 100;

/** Replies by question, as text and without the id. */
async function askAll(port: number, questions: readonly string[]): Promise<ReadonlyMap<string, string>> {
  const socket = createSocket('udp4');
  const replies = new Map<string, string>();
  try {
    socket.connect(port, '127.0.0.1');
    await once(socket, 'connect');
    for (let start = 0; start < questions.length; start += atOnce)
      await askSome(socket, questions.slice(start, start + atOnce), replies);
  } finally {
    socket.close();
  }
  return replies;
}

function askSome(
  socket: ReturnType<typeof createSocket>,
  questions: readonly string[],
  replies: Map<string, string>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no reply to some of ${questions.join(', ')}`)), 10_000);
    let missing = questions.length;
    const hear = (bytes: Buffer): void => {
      replies.set(questions[bytes.readUInt16BE(0)] ?? '', bytes.toString('latin1', 2));
      missing--;
      if (missing > 0) return;
      clearTimeout(late);
      socket.off('message', hear);
      resolve();
    };
    socket.on('message', hear);
    questions.forEach((question, id) => socket.send(packet(question, id)));
  });
}

/** Names of the zone have no escapes. With EDNS, so that no answer is cut for its length. */
function packet(question: string, id: number): Buffer {
  const [name = '', type = ''] = question.split(' ');
  const labels = name.split('.').map((label) => String.fromCharCode(label.length) + label);
  const wire = Buffer.from(labels.join(''), 'latin1');
  const bytes = Buffer.alloc(12 + wire.length + 4 + 11);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(1, 4);
  bytes.writeUInt16BE(1, 10);
  wire.copy(bytes, 12);
  bytes.writeUInt16BE(typeNumbers[type] ?? 0, 12 + wire.length);
  bytes.writeUInt16BE(1, 14 + wire.length);
  bytes.writeUInt16BE(41, 17 + wire.length);
  bytes.writeUInt16BE(1232, 19 + wire.length);
  return bytes;
}

async function compiled(daemon: RunningDaemon): Promise<number> {
  const text = await daemon.get('/metrics');
  return Number(/^isthmus_dns_compiled_names_total(?:\{[^}]*\})? (\d+)/m.exec(text)?.[1] ?? Number.NaN);
}
