// The users file: `name: "scrypt$…"`, a line a user, read anew when it changes. Says who a name and a password prove somebody to be.

import { createHmac, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { messageOf, type Clock, type Logger, type Timer } from '../../src/runtime/index.ts';
import { dummyHash, parsePasswordHash, verifyPassword, type PasswordHash } from './password.ts';

export interface UsersFile {
  readonly users: ReadonlyMap<string, PasswordHash>;
  /** One line for each line that could not be read, without what stands in it. */
  readonly problems: readonly string[];
}

/** Reads the text of a users file. Quotes are optional, `#` starts a comment line, the last line of a name wins. */
export function parseUsers(text: string): UsersFile {
  const users = new Map<string, PasswordHash>();
  const problems: string[] = [];
  text.split(/\r?\n/).forEach((line, i) => {
    if (/^\s*(#|$)/.test(line) || line.trim() === '---') return;
    const match = /^\s*(?:"([^"]+)"|'([^']+)'|([^\s"':#][^:]*?))\s*:\s*(["']?)(scrypt\$[^"'\s]+)\4\s*(?:#.*)?$/.exec(
      line,
    );
    const name = match?.[1] ?? match?.[2] ?? match?.[3];
    const hash = parsePasswordHash(match?.[5] ?? '');
    if (name === undefined || hash === null)
      problems.push(`line ${i + 1} is no user; \`isthmus passwd NAME\` prints one`);
    else users.set(name, hash);
  });
  return { users, problems };
}

export interface Users {
  /** Reads the file for the first time and follows it. Never rejects: a file that cannot be read is a problem, and lets nobody in. */
  start(): Promise<void>;
  stop(): void;
  /** This file from now on, read in the call: a small file, and whoever changes the configuration wants to know it in force. */
  follow(path: string): void;
  /** Whether `password` is the one of `name`. `client` is where the attempt comes from; after too many wrong ones it is not looked at. */
  verify(name: string, password: string, client: string): Promise<boolean>;
  problems(): readonly string[];
}

export interface UsersOptions {
  readonly path: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** Wrong passwords of one client within a minute, after which it has to wait. */
  readonly wrongPasswords: () => number;
}

const lookMs = 2_000;
const minuteMs = 60_000;
const mostCached = 10_000;
/** Half of libuv's threads: files and the other half go on while somebody guesses. */
const mostUnderWay = 2;
const mostQueued = 200;

export function createUsers(options: UsersOptions): Users {
  const { clock, log } = options;
  let path = options.path;
  const turns = createTurns(mostUnderWay, mostQueued);
  const failures = createFailureCounter(clock, options.wrongPasswords);
  const cacheKey = randomBytes(32);
  const proven = new Set<string>();
  let file: UsersFile = { users: new Map(), problems: ['the users file has not been read'] };
  let seen = '';
  let emptySeen = '';
  let timer: Timer | null = null;
  let stopped = false;

  async function look(): Promise<void> {
    const looked = path;
    try {
      const found = await stat(looked, { bigint: true });
      const mark = `${looked} ${found.ino} ${found.size} ${found.mtimeNs}`;
      if (mark === seen) return;
      if (found.size === 0n && seen !== '' && mark !== emptySeen) {
        // Somebody is writing it: an empty file is believed when it still is one at the next look.
        emptySeen = mark;
        return;
      }
      const bytes = await readFile(looked);
      // Half written, or no more what is wanted: the next look has it.
      if (looked !== path || BigInt(bytes.length) !== found.size) return;
      file = parseUsers(bytes.toString());
      seen = mark;
      proven.clear();
      log.info({ users: file.users.size, problems: file.problems }, 'users file read');
    } catch (error) {
      if (seen === '') file = { users: new Map(), problems: [`the users file cannot be read: ${messageOf(error)}`] };
      // Once read, it keeps serving: an editor that replaces the file leaves a moment without one.
    }
  }

  function readNow(): void {
    try {
      file = parseUsers(readFileSync(path, 'utf8'));
      seen = '';
      proven.clear();
    } catch (error) {
      file = { users: new Map(), problems: [`the users file cannot be read: ${messageOf(error)}`] };
    }
  }

  function lookAgain(): void {
    if (stopped) return;
    timer = clock.after(lookMs, () => void look().then(lookAgain));
  }

  return {
    async start() {
      await look();
      lookAgain();
    },
    stop() {
      stopped = true;
      timer?.cancel();
    },
    follow(next) {
      if (next === path) return;
      path = next;
      readNow();
    },
    async verify(name, password, client) {
      const proof = createHmac('sha256', cacheKey).update(`${name.length}:${name}${password}`).digest('base64');
      if (proven.has(proof)) return true;
      if (failures.isBlocked(client)) return false;
      const users = file.users;
      const expected = users.get(name);
      const isRight = await turns.take(() => verifyPassword(password, expected ?? dummyHash));
      if (isRight !== true || expected === undefined) {
        if (isRight !== null) failures.add(client);
        return false;
      }
      // A proof against a file that was replaced meanwhile lets in once and is not kept.
      if (users === file.users && proven.size < mostCached) proven.add(proof);
      return true;
    },
    problems: () => file.problems,
  };
}

interface Turns {
  /** Runs `work` when its turn comes; null where too many wait already. */
  take<T>(work: () => Promise<T>): Promise<T | null>;
}

function createTurns(atOnce: number, mostWaiting: number): Turns {
  const waiting: (() => void)[] = [];
  let underWay = 0;
  return {
    async take(work) {
      if (waiting.length >= mostWaiting) return null;
      if (underWay >= atOnce) await new Promise<void>((resolve) => waiting.push(resolve));
      else underWay++;
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next === undefined) underWay--;
        else next();
      }
    },
  };
}

interface FailureCounter {
  add(client: string): void;
  isBlocked(client: string): boolean;
}

/** Counts failures in windows of a minute. */
function createFailureCounter(clock: Clock, most: () => number): FailureCounter {
  const counts = new Map<string, number>();
  let windowStart = clock.monotonic();
  const turn = (): void => {
    if (clock.monotonic() - windowStart < minuteMs) return;
    windowStart = clock.monotonic();
    counts.clear();
  };
  return {
    add(client) {
      turn();
      counts.set(client, (counts.get(client) ?? 0) + 1);
    },
    isBlocked(client) {
      turn();
      return (counts.get(client) ?? 0) >= most();
    },
  };
}
