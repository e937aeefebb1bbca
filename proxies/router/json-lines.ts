// Lines of the access log in JSON, put together from pieces that are kept: what is the same for all requests of a connection, of a
// route, of a backend is escaped once. What a line costs is joining a dozen strings.

import type { Backend } from '../../src/cluster/index.ts';
import { fieldId, type FieldList, type Peer, type RequestView } from '../http1/index.ts';
import { protocolOf, targetOf, type AccessEntry } from './access-entry.ts';
import type { CompiledRoute } from './route-plane.ts';
import type { LineFormat } from './text-lines.ts';
import { traceIdOf } from './trace-context.ts';

/** One writer has its own pieces: they are forgotten with what they are about. */
export function jsonLines(): LineFormat {
  const timeText = timeTexts();
  const clients = new WeakMap<Peer, ClientPiece>();
  const routes = new WeakMap<CompiledRoute, RoutePiece>();
  const backends = new WeakMap<Backend, BackendPiece>();
  const routeOf = (route: CompiledRoute): RoutePiece => {
    let piece = routes.get(route);
    if (piece?.service !== route.service.name) routes.set(route, (piece = routePiece(route)));
    return piece;
  };
  /** Route and backend, which come together again and again. */
  const servedBy = (route: CompiledRoute | null, backend: Backend | null): BackendPiece => {
    if (route === null) return nobody;
    if (backend === null) return new BackendPiece(routeOf(route), noBackend);
    let piece = backends.get(backend);
    if (piece?.route.of !== route || piece.route.service !== route.service.name)
      backends.set(backend, (piece = new BackendPiece(routeOf(route), backendText(backend))));
    return piece;
  };
  return (entry, atMs) => {
    const { request, status, bytesIn } = entry;
    let client = clients.get(entry.peer);
    if (client?.fits(entry) !== true) clients.set(entry.peer, (client = new ClientPiece(entry)));
    const asked = entry.requestId + traceText(request) + client.asksFor(targetOf(request));
    const served = servedBy(entry.route, entry.backend);
    const isPlain = entry.outcome === 'ok' && entry.retries === 0 && bytesIn === 0;
    const ended = isPlain ? served.wellEnded(status) : served.text + endText(entry) + bytesIn;
    return `${timeText(atMs)}${asked}${ended},"bytes_out":${entry.bytesOut}${durations(entry)}`;
  };
}

const mostShort = 10_000;

const plain = /^[ !#-[\]-~]*$/;

/** The inside of a JSON string. DEL and all beyond ASCII are escaped too, as viewers disagree on them. */
function text(value: string): string {
  if (plain.test(value)) return value;
  return JSON.stringify(value)
    .slice(1, -1)
    .replace(/[\u007f-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** What the requests of a connection mostly share. */
class ClientPiece {
  readonly text: string;
  readonly #address: string;
  readonly #version: number;
  readonly #method: string;
  readonly #authority: string;
  readonly #userAgent: string;
  readonly #referer: string;
  #target = '';
  #asked: string;

  constructor({ clientAddress, peer, request }: AccessEntry) {
    this.#address = clientAddress;
    this.#version = request?.version ?? 11;
    this.#method = request?.method ?? '-';
    this.#authority = request?.authority ?? '';
    this.#userAgent = request?.fields.valueOf(fieldId.userAgent) ?? '';
    this.#referer = request?.fields.valueOf(fieldId.referer) ?? '';
    const connection = `","client_addr":"${text(clientAddress)}","peer_addr":"${peer.address}","protocol":"${protocolOf(this.#version)}","scheme":"${peer.secure ? 'https' : 'http'}"`;
    const said = `,"user_agent":"${text(this.#userAgent)}","referer":"${text(this.#referer)}"`;
    this.text = joined(
      `${connection}${said},"method":"${text(this.#method)}","host":"${text(this.#authority)}","path":"`,
    );
    this.#asked = this.text + targetText('');
  }

  /** With the target, which is often the one before: who asks for the state of something asks again. */
  asksFor(target: string): string {
    if (target === this.#target) return this.#asked;
    this.#target = target;
    return (this.#asked = this.text + targetText(target));
  }

  fits({ clientAddress, request }: AccessEntry): boolean {
    if (request === null) return false;
    return (
      request.authority === this.#authority &&
      request.method === this.#method &&
      request.version === this.#version &&
      clientAddress === this.#address &&
      isValue(request.fields, fieldId.userAgent, this.#userAgent) &&
      isValue(request.fields, fieldId.referer, this.#referer)
    );
  }
}

/** Without making a string of it. */
function isValue(fields: FieldList, id: number, value: string): boolean {
  const i = fields.indexOf(id);
  return i < 0 ? value === '' : fields.isValue(i, value);
}

interface RoutePiece {
  readonly of: CompiledRoute | null;
  readonly service: string;
  readonly text: string;
}

const routeText = (id: string, service: string, appId: string): string =>
  `","route":"${text(id)}","service":"${text(service)}","app_id":"${text(appId)}`;

const noRoute: RoutePiece = { of: null, service: '', text: routeText('', '', '') };

function routePiece(route: CompiledRoute): RoutePiece {
  const { name } = route.service;
  return { of: route, service: name, text: routeText(route.id, name, route.entry.appId) };
}

const serverText = (task: string, server: string): string => `","task_id":"${text(task)}","server":"${text(server)}",`;

const noBackend = serverText('', '');
const backendText = ({ task, key }: Backend): string => serverText(task ?? '', key);

/** A backend of a route, with each end that requests of it have had. */
class BackendPiece {
  readonly route: RoutePiece;
  readonly text: string;
  readonly #wellEnded: (string | undefined)[] = [];

  constructor(route: RoutePiece, server: string) {
    this.route = route;
    this.text = route.text + server;
  }

  /** Up to the bytes that came, which were none. */
  wellEnded(status: number): string {
    return (this.#wellEnded[status - 100] ??= joined(`${this.text}${endText({ status, retries: 0, outcome: 'ok' })}0`));
  }
}

const nobody = new BackendPiece(noRoute, noBackend);

function traceText(request: RequestView | null): string {
  if (request === null || request.fields.indexOf(fieldId.traceparent) < 0) return '';
  const id = traceIdOf(request.fields) ?? '';
  return id === '' ? '' : `","trace_id":"${id}`;
}

function targetText(target: string): string {
  const query = target.indexOf('?');
  if (query < 0) return `${text(target)}","query":"`;
  return `${text(target.slice(0, query))}","query":"${text(target.slice(query + 1))}`;
}

const endText = ({ status, retries, outcome }: Pick<AccessEntry, 'status' | 'retries' | 'outcome'>): string =>
  `"status":${status},"retries":${retries},"outcome":"${outcome}","bytes_in":`;

/** One string instead of a tree of its parts: what is used often is walked through each time. */
const joined = (value: string): string => Buffer.from(value, 'latin1').toString('latin1');

function durations({ durationMs, connectMs, answerMs }: AccessEntry): string {
  const duration = durationText(durationMs);
  if (connectMs < 0) return `${duration}}\n`;
  const connected = duration + connectText(connectMs);
  return answerMs < 0 ? `${connected}}\n` : connected + answerText(answerMs);
}

const durationText = milliseconds(',"duration_ms":', '');
const connectText = milliseconds(',"connect_ms":', '');
const answerText = milliseconds(',"ttfb_ms":', '}\n');

/** Those of up to ten milliseconds are kept, by their microseconds: writing a fraction costs more than all else of a line. */
function milliseconds(before: string, after: string): (ms: number) => string {
  // Of its full length from the start: one that grows by leaps becomes a dictionary.
  const short = new Array<string | undefined>(mostShort);
  return (ms) => {
    const micros = Math.round(ms * 1000);
    if (micros >= mostShort || micros < 0) return `${before}${micros / 1000}${after}`;
    return (short[micros] ??= joined(`${before}${micros / 1000}${after}`));
  };
}

/** The beginning of a line, with its time; made once a millisecond, its date once a second. */
function timeTexts(): (atMs: number) => string {
  let second = -1;
  let last = -1;
  let date = '';
  let line = '';
  return (atMs) => {
    if (atMs === last) return line;
    last = atMs;
    const now = Math.floor(atMs / 1000);
    if (now !== second) {
      second = now;
      date = new Date(now * 1000).toISOString().slice(0, 20);
    }
    const rest = Math.floor(atMs) - now * 1000;
    return (line = `{"time":"${date}${String(rest).padStart(3, '0')}Z","request_id":"`);
  };
}
