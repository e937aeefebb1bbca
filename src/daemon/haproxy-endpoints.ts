// Marathon-LB's port 9090 (`router.haproxyEndpoints`), for zdd and for scripts that people have: statistics, maps, pids and the two
// signals. Private: from elsewhere than loopback everything but the health check wants admin.token (specs/l7.md §1.15).

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  appMap,
  haproxyCsv,
  haproxyPage,
  renderedModel,
  vhostMap,
  type RouteRecord,
} from '../../proxies/router/index.ts';
import type { Table } from '../ports/index.ts';
import { closeHttpServer, messageOf } from '../runtime/index.ts';
import type { ControlServer } from './admin/control-server.ts';
import { mayUse } from './admin/permission.ts';
import type { ControlRoom } from './control.ts';

/** A worker that does not answer by then is left out of the sums. */
const workerTimeoutMs = 2_000;

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

type Endpoint = (room: ControlRoom, table: Table<RouteRecord>) => Reply | Promise<Reply>;

const text = (body: string, status = 200): Reply => ({ status, type: 'text/plain', body });

/** Health checks in front of us may look for HAProxy's words (specs/l7.md §1.15, measured). */
const monitorPage = (title: string, line: string): string => `<html><body><h1>${title}</h1>\n${line}\n</body></html>\n`;
const monitored = (status: number, title: string, line: string): Reply => ({
  status,
  type: 'text/html',
  body: monitorPage(title, line),
});

const endpoints: Readonly<Record<string, Endpoint>> = {
  '/haproxy?stats': async (room, table) => ({
    status: 200,
    type: 'text/html; charset=utf-8',
    body: haproxyPage(table, await room.links.readMetrics(workerTimeoutMs)),
  }),
  '/haproxy?stats;csv': async (room, table) => text(haproxyCsv(table, await room.links.readMetrics(workerTimeoutMs))),
  '/_haproxy_health_check': (room) =>
    room.readiness.reasons().includes('draining')
      ? monitored(503, '503 Service Unavailable', 'Service draining.')
      : monitored(200, '200 OK', 'Service ready.'),
  '/ready': (room) => {
    const reasons = room.readiness.reasons();
    return reasons.length === 0 ? text('ready\n') : text(`${reasons.join('\n')}\n`, 503);
  },
  '/_haproxy_getpids': () => text(`${process.pid}\n`),
  '/_haproxy_getvhostmap': (_, table) => text(vhostMap(table)),
  '/_haproxy_getappmap': (_, table) => text(appMap(table)),
  '/_haproxy_getconfig': (_, table) => text(renderedModel(table)),
  '/_mlb_signal/hup': (room) => {
    room.resync();
    return text('Sent SIGHUP signal to marathon-lb\n');
  },
  '/_mlb_signal/usr1': () => text('Sent SIGUSR1 signal to marathon-lb\n'),
};

/** Asked by balancers in front of us. */
const open: ReadonlySet<string> = new Set(['/_haproxy_health_check', '/ready']);

export function haproxyServer(room: ControlRoom): ControlServer {
  const socket = room.options.sockets.find((candidate) => candidate.key === 'router.haproxyEndpoints');
  const server = createServer((request, response) => void answer(room, request, response));
  server.headersTimeout = 10_000;
  return {
    async start() {
      await socket?.tcp?.attach(server);
    },
    stop: () => closeHttpServer(server),
  };
}

async function answer(room: ControlRoom, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume();
  const target = (request.url ?? '').replace(/^\/haproxy\/?\?stats(;csv)?.*$/, '/haproxy?stats$1');
  const path = target.startsWith('/haproxy?') ? target : (target.split('?')[0] ?? '');
  try {
    write(response, request, await reply(room, path, request));
  } catch (error) {
    room.options.log.error({ path, error: messageOf(error) }, 'bug: an endpoint of HAProxy failed');
    write(response, request, text('failed\n', 500));
  }
}

function reply(room: ControlRoom, path: string, request: IncomingMessage): Reply | Promise<Reply> {
  const endpoint = endpoints[path];
  // HAProxy has no backend for them.
  if (endpoint === undefined) return text('no such path of Marathon-LB here\n', 503);
  const isSignal = path.startsWith('/_mlb_signal/');
  if (request.method !== 'GET' && request.method !== 'HEAD' && !(isSignal && request.method === 'POST'))
    return text('GET\n', 405);
  if (!open.has(path) && !mayUse(room, request, isSignal)) return text('this needs admin.token as bearer token\n', 401);
  const table = room.pipeline.tables.get('routes')?.records ?? new Map<string, unknown>();
  return endpoint(room, table as Table<RouteRecord>);
}

function write(response: ServerResponse, request: IncomingMessage, { status, type, body }: Reply): void {
  response.writeHead(status, {
    'Content-Type': type,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    ...(status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {}),
  });
  response.end(request.method === 'HEAD' ? undefined : body);
}
