// One connection to one ZooKeeper server: a session of its own, reads with one-shot watches, pings. Nothing is written, so a session that
// is lost is worth nothing and the next connection begins a new one.

import { connect, type Socket } from 'node:net';
import { IsthmusError, type Clock, type Timer } from '../../runtime/index.ts';
import { bool, bytes, int, JuteReader, long, packet, text, type Field } from './jute.ts';

export interface ZooKeeperServer {
  readonly host: string;
  readonly port: number;
}

export interface ConnectionOptions {
  readonly server: ZooKeeperServer;
  /** `user:password` of the digest scheme; null: none. Never logged. */
  readonly digest: string | null;
  readonly clock: Clock;
  readonly connectMs: number;
  readonly sessionMs: number;
  /** Something that was read with a watch has changed, or the path came to be. */
  readonly onChange: () => void;
  readonly signal: AbortSignal;
}

export interface ZooKeeperConnection {
  /** Names of the children, watched; null: there is no such path, which is watched then. */
  children(path: string): Promise<readonly string[] | null>;
  /** The bytes of a path; null where it has gone. */
  content(path: string): Promise<Buffer | null>;
  /** Resolves with the reason once the connection is over. */
  readonly ended: Promise<string>;
  close(): void;
}

const operations = { exists: 3, content: 4, children: 8, ping: 11, auth: 100, close: -11 } as const;
const xids = { event: -1, ping: -2, auth: -4 } as const;
const noNode = -101;
const mostPacketBytes = 4 * 1024 * 1024;

/** Connects and begins a session. Rejects where that does not happen in time, or the server refuses. */
export async function connectZooKeeper(options: ConnectionOptions): Promise<ZooKeeperConnection> {
  const connection = new Connection(options);
  try {
    await connection.begun;
    return connection;
  } catch (error) {
    connection.close();
    throw error;
  }
}

const failure = (reason: string): IsthmusError =>
  new IsthmusError('UPSTREAM_UNREACHABLE', reason, { side: 'upstream', retryable: true });

interface Waiting {
  resolve(reader: JuteReader | null): void;
  reject(error: Error): void;
}

class Connection implements ZooKeeperConnection {
  readonly #options: ConnectionOptions;
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  readonly ended: Promise<string>;
  readonly begun: Promise<void>;
  #begin: { resolve(): void; reject(error: Error): void } | null = null;
  #end: (reason: string) => void = () => undefined;
  #received: Buffer = Buffer.alloc(0);
  #timer: Timer;
  #pinging: Timer | null = null;
  #xid = 0;
  #isOver = false;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    this.ended = new Promise((resolve) => (this.#end = resolve));
    this.begun = new Promise((resolve, reject) => (this.#begin = { resolve, reject }));
    this.#socket = connect({ ...options.server, noDelay: true });
    this.#timer = options.clock.after(options.connectMs, () => this.#over('did not begin a session in time'));
    this.#socket.on('connect', () => this.#socket.write(this.#greeting()));
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    this.#socket.on('error', (error) => this.#over(error.message));
    this.#socket.on('close', () => this.#over('closed the connection'));
    options.signal.addEventListener('abort', this.close, { once: true });
    if (options.signal.aborted) this.close();
  }

  async children(path: string): Promise<readonly string[] | null> {
    const reader = await this.#ask(operations.children, [text(path), bool(true)]);
    if (reader !== null) return reader.texts();
    // Only this operation watches for what is not there yet. It may have come meanwhile: then the watch fires at its first child.
    return (await this.#ask(operations.exists, [text(path), bool(true)])) === null ? null : this.children(path);
  }

  async content(path: string): Promise<Buffer | null> {
    return (await this.#ask(operations.content, [text(path), bool(false)]))?.bytes() ?? null;
  }

  readonly close = (): void => {
    if (!this.#isOver) this.#socket.write(packet([int(0), int(operations.close)]));
    this.#over('closed by us');
  };

  #greeting(): Buffer {
    const { sessionMs } = this.#options;
    return packet([int(0), long(0n), int(sessionMs), long(0n), bytes(Buffer.alloc(16)), bool(false)]);
  }

  #ask(operation: number, fields: readonly Field[]): Promise<JuteReader | null> {
    if (this.#isOver) return Promise.reject(failure('the connection is over'));
    const xid = ++this.#xid;
    return new Promise((resolve, reject) => {
      this.#waiting.set(xid, { resolve, reject });
      this.#socket.write(packet([int(xid), int(operation), ...fields]));
    });
  }

  #take(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk]);
    while (this.#received.length >= 4 && !this.#isOver) {
      const length = this.#received.readInt32BE();
      if (length < 0 || length > mostPacketBytes) return this.#over('speaks another protocol');
      if (this.#received.length < 4 + length) return;
      const body = this.#received.subarray(4, 4 + length);
      this.#received = this.#received.subarray(4 + length);
      try {
        if (this.#begin === null) this.#reply(new JuteReader(body));
        else this.#greeted(new JuteReader(body));
      } catch {
        return this.#over('speaks another protocol');
      }
    }
  }

  #greeted(reader: JuteReader): void {
    reader.int();
    const sessionMs = reader.int();
    if (sessionMs <= 0) return this.#over('refuses a session');
    if (this.#options.digest !== null) {
      const auth = [int(0), text('digest'), text(this.#options.digest)];
      this.#socket.write(packet([int(xids.auth), int(operations.auth), ...auth]));
    }
    this.#begin?.resolve();
    this.#begin = null;
    this.#keepAlive(sessionMs);
  }

  /** A ping each third of the session's time; silence of two thirds is the end, so that another server is found within it. */
  #keepAlive(sessionMs: number): void {
    const { clock } = this.#options;
    this.#hear(sessionMs);
    const ping = (): void => {
      this.#socket.write(packet([int(xids.ping), int(operations.ping)]));
      this.#pinging = clock.after(sessionMs / 3, ping);
    };
    this.#pinging = clock.after(sessionMs / 3, ping);
    this.#socket.on('data', () => this.#hear(sessionMs));
  }

  #hear(sessionMs: number): void {
    this.#timer.cancel();
    if (!this.#isOver)
      this.#timer = this.#options.clock.after((sessionMs * 2) / 3, () => this.#over('is silent for too long'));
  }

  #reply(reader: JuteReader): void {
    const xid = reader.int();
    reader.long();
    const error = reader.int();
    if (xid === xids.event) return this.#options.onChange();
    if (xid === xids.auth && error !== 0) return this.#over('refuses the credentials');
    const waiting = this.#waiting.get(xid);
    this.#waiting.delete(xid);
    if (error === 0) waiting?.resolve(reader);
    else if (error === noNode) waiting?.resolve(null);
    else waiting?.reject(failure(`answers with error ${error}`));
  }

  #over(reason: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#timer.cancel();
    this.#pinging?.cancel();
    this.#options.signal.removeEventListener('abort', this.close);
    const { host, port } = this.#options.server;
    const error = failure(`ZooKeeper ${host}:${port} ${reason}`);
    this.#begin?.reject(error);
    for (const waiting of this.#waiting.values()) waiting.reject(error);
    this.#waiting.clear();
    this.#socket.end();
    this.#socket.destroySoon();
    this.#end(error.message);
  }
}
