// A master as ZooKeeper sees it: a session that announces itself by an ephemeral node and is kept alive, or not.

import { connect, type Socket } from 'node:net';
import {
  bool,
  bytes,
  int,
  JuteReader,
  long,
  packet,
  text,
  type Field,
} from '../../../src/orchestrator/zookeeper/jute.ts';

export interface Announced {
  /** The session ends, and the node goes at once. */
  close(): Promise<void>;
  /** No ping any more: the server expires the session, and the node goes then. */
  fallSilent(): void;
}

const openAcl: readonly Field[] = [int(1), int(31), text('world'), text('anyone')];
const ephemeralSequential = 3;

/** Announces a master at `url` below `path`, which is made where it is not there. */
export async function announce(
  server: { readonly host: string; readonly port: number },
  path: string,
  url: string,
  sessionMs = 6000,
): Promise<Announced> {
  const { hostname, port } = new URL(url);
  const content = { address: { hostname, ip: hostname, port: Number(port) }, hostname, port: Number(port) };
  const session = await Session.begin(server, sessionMs);
  await session.ask(1, [text(path), bytes(Buffer.alloc(0)), ...openAcl, int(0)]);
  const node = [text(`${path}/json.info_`), bytes(Buffer.from(JSON.stringify(content)))];
  const made = await session.ask(1, [...node, ...openAcl, int(ephemeralSequential)]);
  if (made !== 0) throw new Error(`could not announce: ${made}`);
  return { close: () => session.close(), fallSilent: () => session.fallSilent() };
}

class Session {
  readonly #socket: Socket;
  readonly #replies: ((reader: JuteReader) => void)[] = [];
  #received: Buffer = Buffer.alloc(0);
  #pinging: NodeJS.Timeout | undefined;
  #xid = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
  }

  static async begin(server: { readonly host: string; readonly port: number }, sessionMs: number): Promise<Session> {
    const socket = connect(server);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    const session = new Session(socket);
    const greeted = session.#next();
    socket.write(packet([int(0), long(0n), int(sessionMs), long(0n), bytes(Buffer.alloc(16)), bool(false)]));
    await greeted;
    session.#pinging = setInterval(() => socket.write(packet([int(-2), int(11)])), sessionMs / 4);
    return session;
  }

  async ask(operation: number, fields: readonly Field[]): Promise<number> {
    const reply = this.#next();
    this.#socket.write(packet([int(++this.#xid), int(operation), ...fields]));
    const reader = await reply;
    reader.int();
    reader.long();
    return reader.int();
  }

  async close(): Promise<void> {
    clearInterval(this.#pinging);
    if (this.#socket.destroyed) return;
    await Promise.race([this.ask(-11, []), new Promise((resolve) => this.#socket.once('close', resolve))]);
    this.#socket.destroy();
  }

  fallSilent(): void {
    clearInterval(this.#pinging);
    this.#socket.destroy();
  }

  #next(): Promise<JuteReader> {
    return new Promise((resolve) => this.#replies.push(resolve));
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4) {
      const length = this.#received.readInt32BE();
      if (this.#received.length < 4 + length) return;
      const body = this.#received.subarray(4, 4 + length);
      this.#received = this.#received.subarray(4 + length);
      if (body.readInt32BE() !== -2) this.#replies.shift()?.(new JuteReader(body));
    }
  }
}
