// The load of a storm, a process of its own: paced clients of every function, and what became of them, told to the parent.

import {
  bigAnswer,
  dnsQuery,
  keptConnection,
  liarsAnswer,
  Lost,
  newConnection,
  overHttp2,
  overTls,
  slowAnswer,
  throughProxy,
  throughSocks,
  throughVip,
  type Work,
} from './clients.ts';
import { openHeldTunnel, openWebSocket, type Conversation } from './held.ts';
import { patient } from './patience.ts';
import type { Counts, FromLoad, Loss, Targets, ToLoad } from './targets.ts';

/** Kind, how to do one piece, and milliseconds between two. */
const paced: readonly (readonly [string, (targets: Targets) => Work, number])[] = [
  ['new connection', newConnection, 20],
  ['kept connection', keptConnection, 10],
  ['big answer', bigAnswer, 400],
  ['slow answer', slowAnswer, 300],
  ['liar', liarsAnswer, 500],
  ['tls', overTls, 40],
  ['http2', overHttp2, 15],
  ['dns', dnsQuery, 8],
  ['vip', throughVip, 25],
  ['socks', throughSocks, 50],
  ['proxy', throughProxy, 50],
];

const held: readonly (readonly [string, (targets: Targets) => Promise<Conversation>, number])[] = [
  ['websocket', openWebSocket, 12],
  ['held socks', openHeldTunnel, 8],
];

const mostAtOnce = 200;
const speakEveryMs = 500;
const silenceMs = patient(15_000);
const mostTimes = 20_000;

const counts: Record<string, Counts> = {};
let open = 0;
let isOver = false;

const tell = (message: FromLoad): void => void (process.send as (message: FromLoad) => boolean)(message);
const countsOf = (kind: string): Counts => (counts[kind] ??= { done: 0, again: 0, times: [] });

function lose(kind: string, from: number, error: unknown, rest: Partial<Loss> = {}): void {
  const task = error instanceof Lost ? error.task : undefined;
  const what = error instanceof Error ? error.message : String(error);
  const known = task === undefined ? {} : { task };
  tell({ type: 'loss', loss: { kind, from, until: Date.now(), what, ...known, ...rest } });
}

function note(kind: string, from: number, again: boolean): void {
  const own = countsOf(kind);
  own.done++;
  if (again) own.again++;
  const ms = Date.now() - from;
  if (own.times.length < mostTimes) own.times.push(ms);
  else own.times[Math.floor(Math.random() * mostTimes)] = ms;
}

async function pace(kind: string, work: Work, everyMs: number): Promise<void> {
  const pending = new Set<Promise<void>>();
  let due = performance.now();
  while (!isOver) {
    due += everyMs;
    // A client that fell behind goes on from now: it is no flood.
    due = Math.max(due, performance.now() - 1_000);
    await new Promise((wake) => setTimeout(wake, Math.max(0, due - performance.now())));
    if (pending.size >= mostAtOnce) continue;
    const from = Date.now();
    open++;
    const piece = work()
      .then(
        (again) => note(kind, from, again),
        (error: unknown) => lose(kind, from, error),
      )
      .finally(() => {
        open--;
        pending.delete(piece);
      });
    pending.add(piece);
  }
  await Promise.all(pending);
}

/** Opens a conversation again and again as each ends; resolves when the storm is over and the last one closed. */
async function hold(kind: string, begin: () => Promise<Conversation>): Promise<void> {
  while (!isOver) {
    const from = Date.now();
    open++;
    try {
      const conversation = await begin();
      const why = await converse(conversation, () => note(kind, Date.now(), false));
      if (why !== null) lose(kind, Date.now(), new Lost(why, conversation.task), { isLong: true });
    } catch (error) {
      lose(kind, from, error);
    }
    open--;
    await new Promise((wake) => setTimeout(wake, 50));
  }
}

/** Resolves to why it ended; null: because the storm was over. */
function converse({ socket, speak }: Conversation, heard: () => void): Promise<string | null> {
  return new Promise((resolve) => {
    let lastHeard = Date.now();
    const end = (why: string | null): void => {
      clearInterval(timer);
      socket.destroy();
      resolve(why);
    };
    const timer = setInterval(() => {
      if (isOver) end(null);
      else if (Date.now() - lastHeard > silenceMs) end(`silent for ${silenceMs} ms`);
      else speak();
    }, speakEveryMs);
    socket.on('data', () => {
      lastHeard = Date.now();
      heard();
    });
    socket.on('error', (error) => end(error.message));
    socket.on('close', () => end('closed'));
    socket.resume();
    speak();
  });
}

process.on('message', (message: ToLoad) => {
  if (message.type === 'end') isOver = true;
  else void run(message.targets, message.rate);
});

async function run(targets: Targets, rate: number): Promise<void> {
  const report = setInterval(() => tell({ type: 'counts', counts: {}, open }), 100);
  await Promise.all([
    ...paced.map(([kind, make, everyMs]) => pace(kind, make(targets), everyMs / rate)),
    ...held.flatMap(([kind, begin, number]) => Array.from({ length: number }, () => hold(kind, () => begin(targets)))),
  ]);
  clearInterval(report);
  const last: FromLoad = { type: 'counts', counts, open: 0 };
  process.send?.(last, undefined, undefined, () => process.disconnect?.());
}
