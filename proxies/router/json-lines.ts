// Lines of the access log in JSON, put together from pieces that are kept: what is the same for all requests of a connection, of a route,
// of a backend is escaped once. What a line costs is joining some twenty strings.

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
  const backends = new WeakMap<Backend, string>();
  return (entry, atMs) => {
    const { request, route, backend, status, retries, outcome } = entry;
    let client = clients.get(entry.peer);
    if (client?.fits(entry) !== true) clients.set(entry.peer, (client = new ClientPiece(entry)));
    let routed = route === null ? noRoute : routes.get(route);
    if (route !== null && routed?.service !== route.service.name) routes.set(route, (routed = routePiece(route)));
    let server = backend === null ? noBackend : backends.get(backend);
    if (server === undefined) backends.set(backend as Backend, (server = backendPiece(backend as Backend)));
    const end = outcome === 'ok' && retries === 0 ? wellEnded(status) : ended(status, retries, outcome);
    const start = timeText(atMs) + entry.requestId + traceText(request) + client.text + targetText(targetOf(request));
    const counts = `${end}${entry.bytesIn},"bytes_out":${entry.bytesOut},"duration_ms":${milliseconds(entry.durationMs)}`;
    return `${start}${routed?.text ?? ''}${server}${counts}${phases(entry)}}\n`;
  };
}

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

  constructor({ clientAddress, peer, request }: AccessEntry) {
    this.#address = clientAddress;
    this.#version = request?.version ?? 11;
    this.#method = request?.method ?? '-';
    this.#authority = request?.authority ?? '';
    this.#userAgent = request?.fields.valueOf(fieldId.userAgent) ?? '';
    this.#referer = request?.fields.valueOf(fieldId.referer) ?? '';
    const connection = `","client_addr":"${text(clientAddress)}","peer_addr":"${peer.address}","protocol":"${protocolOf(this.#version)}","scheme":"${peer.secure ? 'https' : 'http'}"`;
    const said = `,"user_agent":"${text(this.#userAgent)}","referer":"${text(this.#referer)}"`;
    this.text = `${connection}${said},"method":"${text(this.#method)}","host":"${text(this.#authority)}","path":"`;
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
  readonly service: string;
  readonly text: string;
}

const routeText = (id: string, service: string, appId: string): string =>
  `","route":"${text(id)}","service":"${text(service)}","app_id":"${text(appId)}`;

const noRoute: RoutePiece = { service: '', text: routeText('', '', '') };

function routePiece({ id, service, entry }: CompiledRoute): RoutePiece {
  const { name } = service;
  return { service: name, text: routeText(id, name, entry.appId) };
}

const serverText = (task: string, server: string): string => `","task_id":"${text(task)}","server":"${text(server)}",`;

const noBackend = serverText('', '');
const backendPiece = ({ task, key }: Backend): string => serverText(task ?? '', key);

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

const ended = (status: number, retries: number, outcome: string): string =>
  `"status":${status},"retries":${retries},"outcome":"${outcome}","bytes_in":`;

const endings: (string | undefined)[] = [];
const wellEnded = (status: number): string => (endings[status] ??= ended(status, 0, 'ok'));

function phases({ connectMs, answerMs }: AccessEntry): string {
  if (connectMs < 0) return '';
  const connect = `,"connect_ms":${milliseconds(connectMs)}`;
  return answerMs < 0 ? connect : `${connect},"ttfb_ms":${milliseconds(answerMs)}`;
}

/** Numbers of up to ten milliseconds, by their microseconds: writing a fraction costs more than all else of a line. */
const short: (string | undefined)[] = [];
const mostShort = 10_000;

function milliseconds(ms: number): string {
  const micros = Math.round(ms * 1000);
  return micros < mostShort && micros >= 0 ? (short[micros] ??= String(micros / 1000)) : String(micros / 1000);
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
