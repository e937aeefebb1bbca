// One fake master: a listener on a fixed address that answers as leader, follower or broken master, as told.
import http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Switches } from './fault-switches.ts';
import { createSwitches } from './fault-switches.ts';
import type { Disturbance, MasterFaults } from './master-faults.ts';
import { disturbingBytes, noFaults } from './master-faults.ts';
import { checkAccept, checkAuth, checkCallHead, checkLeader, checkRecovered, parseCall } from './master-requests.ts';
import type { Leadership, Refusal } from './master-requests.ts';
import type { MasterSource, MasterView, SourceEvent } from './master-source.ts';
import { MasterStream } from './master-stream.ts';
import type { VersionTraits } from './mesos-version.ts';
import { encodeRecord } from './recordio.ts';
import { sendMangled, sendParts, sendText } from './response-body.ts';
import type { Section } from './snapshot-json.ts';
import { responseParts, subscribedBytes, subscribedParts, toJson } from './snapshot-json.ts';
import { masterFlags, stateParts } from './state-v0.ts';

interface MasterPeers {
  // Who leads now, seen from instance `index`; host:port as redirects name it.
  leadership(index: number): { readonly isLeader: boolean; readonly leader: string | undefined };
}

interface InstanceOptions {
  readonly index: number;
  readonly host: string;
  readonly port: number;
  readonly traits: VersionTraits;
  readonly heartbeatMs: number;
  readonly source: MasterSource;
  readonly peers: MasterPeers;
  readonly faults: Partial<MasterFaults>;
}

const SECTION_CALLS = new Set(['GET_STATE', 'GET_TASKS', 'GET_AGENTS', 'GET_FRAMEWORKS', 'GET_EXECUTORS']);

export class MasterInstance {
  readonly faults: Switches<MasterFaults>;
  readonly #options: InstanceOptions;
  readonly #streams = new Set<MasterStream>();
  readonly #sockets = new Set<Socket>();
  readonly #startedMs = Date.now();
  #server: http.Server | undefined;
  #port: number;

  constructor(options: InstanceOptions) {
    this.#options = options;
    this.#port = options.port;
    this.faults = createSwitches({ ...noFaults(), ...options.faults });
    this.faults.onChange(() => {
      for (const socket of this.#sockets) if (this.faults.values.halfOpen) socket.pause();
    });
  }

  get address(): string {
    return `${this.#options.host}:${String(this.#port)}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  get subscribers(): number {
    return this.#streams.size;
  }

  async start(): Promise<void> {
    if (this.#server !== undefined) return;
    const server = http.createServer((request, response) => {
      this.#handle(request, response).catch(() => {
        response.destroy();
      });
    });
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.setNoDelay(true);
      if (this.faults.values.halfOpen) socket.pause();
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host: this.#options.host, port: this.#port }, resolve);
    });
    this.#server = server;
    this.#port = (server.address() as AddressInfo).port;
  }

  // A clean stop ends streams and connections; a kill resets them.
  async stop(reset: boolean): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    if (server === undefined) return;
    const closed = new Promise((resolve) => server.close(resolve));
    if (!reset) this.endStreams();
    for (const socket of this.#sockets) {
      if (reset) socket.resetAndDestroy();
      else socket.destroySoon();
    }
    await closed;
  }

  endStreams(): void {
    for (const stream of this.#streams) stream.end();
  }

  disturb(what: Disturbance): void {
    const bytes = disturbingBytes(what);
    for (const stream of this.#streams) {
      if (bytes !== undefined) stream.raw(bytes);
      if (what === 'reset') stream.reset();
      if (what === 'end' || what === 'end-mid-record') stream.end();
      if (what === 'cut-mid-record') stream.cut();
    }
  }

  inject(bytes: Uint8Array): void {
    for (const stream of this.#streams) stream.raw(bytes);
  }

  #leadership(): Leadership {
    return { ...this.#options.peers.leadership(this.#options.index), recovering: this.faults.values.recovering };
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const faults = this.faults.values;
    if (faults.halfOpen) return;
    if (faults.delayMs > 0) await sleep(faults.delayMs);
    if (faults.page !== null) {
      const page = faults.page === 'html-200' ? 'Welcome' : 'Bad Gateway';
      const status = faults.page === 'html-200' ? 200 : 502;
      sendText(request, response, status, 'text/html', `<html><body><h1>${page}</h1></body></html>\n`);
      return;
    }
    const url = new URL(request.url ?? '/', 'http://master');
    const path = url.pathname.replace(/^\/master(?=\/)/, '');
    if (path === '/api/v1') await this.#api(request, response);
    else if (path === '/state' || (path === '/state.json' && this.#options.traits.minor < 7))
      await this.#state(request, response, url);
    else this.#small(request, response, path);
  }

  #small(request: IncomingMessage, response: ServerResponse, path: string): void {
    if (path === '/health') sendText(request, response, 200, '', '');
    else if (path === '/redirect')
      refuse(request, response, checkLeader({ ...this.#leadership(), isLeader: false }, '') ?? NOT_FOUND);
    else if (path === '/version')
      sendText(request, response, 200, 'application/json', JSON.stringify({ version: this.#options.traits.version }));
    else refuse(request, response, NOT_FOUND);
  }

  async #state(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    const leadership = this.#leadership();
    const refused =
      checkAuth(this.faults.values.auth, 'readonly', request) ??
      checkLeader(leadership, request.url ?? '') ??
      checkRecovered(leadership);
    if (refused !== undefined) {
      refuse(request, response, refused);
      return;
    }
    const { source, traits, host } = this.#options;
    const head = {
      version: traits.version,
      masterId: source.masterId,
      hostname: host,
      port: this.#port,
      clusterName: source.clusterName,
      leader: { hostname: host, port: this.#port },
      startTimeMs: this.#startedMs,
    };
    const jsonp = url.searchParams.get('jsonp');
    const parts = stateParts(this.#view(), head);
    if (jsonp === null) await sendParts(request, response, 'application/json', parts);
    else await sendParts(request, response, 'text/javascript', wrapped(`${jsonp}(`, parts, ');'));
  }

  async #api(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const leadership = this.#leadership();
    const refused =
      checkAuth(this.faults.values.auth, 'readwrite', request) ??
      (this.faults.values.claimsWithoutValue ? FORBIDDEN : undefined) ??
      checkLeader(leadership, request.url ?? '') ??
      checkRecovered(leadership) ??
      checkCallHead(request);
    if (refused !== undefined) {
      request.resume();
      refuse(request, response, refused);
      return;
    }
    const call = parseCall(request.headers['content-type'] ?? '', await bodyOf(request));
    const later = 'status' in call ? call : checkAccept(request);
    if (later !== undefined) refuse(request, response, later);
    else if ('type' in call) await this.#call(call.type, request, response);
  }

  async #call(type: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { traits } = this.#options;
    if (type === 'SUBSCRIBE') {
      this.#subscribe(response);
      return;
    }
    if (SECTION_CALLS.has(type)) {
      const section = type.toLowerCase() as Section;
      const parts = responseParts(section, this.#view(), traits);
      const { answers } = this.faults.values;
      if (answers === null) await sendParts(request, response, 'application/json', parts);
      else sendMangled(response, answers, parts);
      return;
    }
    const answer = this.#fact(type);
    if (answer === undefined) refuse(request, response, { status: 501, text: `Call ${type} is not implemented` });
    else sendText(request, response, 200, 'application/json', toJson({ type, ...answer }, traits));
  }

  #fact(type: string): Record<string, unknown> | undefined {
    const { source, host, traits } = this.#options;
    switch (type) {
      case 'GET_HEALTH':
        return { get_health: { healthy: true } };
      case 'GET_VERSION':
        return {
          get_version: {
            version_info: { version: traits.version, build_date: '2020-11-17 09:00:00', build_user: 'builder' },
          },
        };
      case 'GET_FLAGS':
        return {
          get_flags: { flags: Object.entries(masterFlags(this.#port)).map(([name, value]) => ({ name, value })) },
        };
      case 'GET_MASTER': {
        const address = { hostname: host, ip: host, port: this.#port };
        const ip = host.split('.').reduceRight((sum, octet) => sum * 256 + Number(octet), 0);
        const pid = `master@${this.address}`;
        const info = {
          id: source.masterId,
          ip,
          port: this.#port,
          pid,
          hostname: host,
          version: traits.version,
          address,
        };
        const seconds = this.#startedMs / 1000;
        return { get_master: { master_info: info, start_time: seconds, elected_time: seconds } };
      }
      default:
        return undefined;
    }
  }

  #view(): MasterView {
    const view = this.#options.source.view();
    return this.faults.values.emptyView ? withoutRights(view) : view;
  }

  // Snapshot and registration are one step: nothing falls between.
  #subscribe(response: ServerResponse): void {
    const { source, traits, heartbeatMs } = this.#options;
    const beat = traits.heartbeats ? (this.faults.values.heartbeatMs ?? heartbeatMs) : undefined;
    const encoding = this.faults.values.gzipStream ? { 'content-encoding': 'gzip' } : {};
    response.writeHead(200, { 'content-type': 'application/json', ...encoding });
    response.flushHeaders();
    const stream = new MasterStream(response, this.faults, beat);
    const recorded = source.recorded?.();
    const view = recorded === undefined ? this.#view() : undefined;
    const seconds = beat === undefined ? undefined : beat / 1000;
    if (view !== undefined)
      stream.push({
        parts: () => subscribedParts(view, traits, seconds),
        bytes: () => subscribedBytes(view, traits, seconds),
      });
    for (const record of recorded ?? []) stream.push(record);
    if (beat !== undefined && recorded === undefined && this.faults.values.heartbeat) stream.heartbeat();
    const unsubscribe = source.onEvent((event) => {
      this.#forward(stream, event);
    });
    this.#streams.add(stream);
    this.#evictOldest();
    void stream.closed.then(() => {
      unsubscribe();
      this.#streams.delete(stream);
    });
  }

  #forward(stream: MasterStream, { event, raw, since }: SourceEvent): void {
    const { traits } = this.#options;
    if (raw !== undefined) stream.push(raw);
    if (event === undefined || (since !== undefined && traits.minor < since)) return;
    if (this.faults.values.emptyView && event.type !== 'AGENT_ADDED' && event.type !== 'AGENT_REMOVED') return;
    stream.push(encodeRecord(toJson(event, traits)));
  }

  #evictOldest(): void {
    const limit = this.faults.values.subscriberLimit ?? this.#options.traits.subscriberLimit;
    if (limit === null || this.#streams.size <= limit) return;
    const [oldest] = this.#streams;
    if (oldest === undefined) return;
    this.#streams.delete(oldest);
    oldest.end();
  }
}

const NOT_FOUND: Refusal = { status: 404, text: '' };
const FORBIDDEN: Refusal = { status: 403, text: 'Principal has claims but no value' };

function refuse(request: IncomingMessage, response: ServerResponse, refused: Refusal): void {
  for (const [name, value] of Object.entries(refused.headers ?? {})) response.setHeader(name, value);
  sendText(request, response, refused.status, refused.text === '' ? '' : 'text/plain; charset=utf-8', refused.text);
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  return Buffer.concat(pieces).toString('utf8');
}

function* wrapped(before: string, parts: Iterable<string>, after: string): Generator<string> {
  yield before;
  yield* parts;
  yield after;
}

// Agents are never filtered, only their resources are; everything else is gone.
function withoutRights(view: MasterView): MasterView {
  const agents = [...view.agents].map((agent) => ({ ...agent, total_resources: [], allocated_resources: [] }));
  return {
    tasks: [],
    unreachableTasks: [],
    completedTasks: [],
    executors: [],
    frameworks: [],
    completedFrameworks: [],
    agents,
    recoveredAgents: view.recoveredAgents,
  };
}
