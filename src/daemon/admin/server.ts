// The admin address: JSON for programs, text for people, metrics for Prometheus. Reads need a token where the address is not loopback,
// writes need it everywhere.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { closeHttpServer, isLoopback, messageOf } from '../../runtime/index.ts';
import type { ControlRoom } from '../control.ts';
import { judgeBackend, reloadConfiguration, resyncCluster } from './actions.ts';
import type { ControlServer } from './control-server.ts';
import { showDrained } from './drained.ts';
import { showDashboard } from './dashboard.ts';
import { showExplanation } from './explain.ts';
import { showMetrics } from './metrics.ts';
import { problem, type Answer } from './answer.ts';
import { sameText } from './permission.ts';
import { showLive, showReady, showStatus } from './status.ts';
import { showCertificates, showDiagnostics, showListeners, showTable, showTasks } from './tables.ts';

/** What a handler may look at. */
export interface AdminRequest {
  readonly url: URL;
  readonly wantsJson: boolean;
  /** What the pattern's groups matched. */
  readonly parts: readonly string[];
}

export type Handler = (room: ControlRoom, request: AdminRequest) => Answer | Promise<Answer>;

interface Endpoint {
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  /** Answered to anybody: a load balancer asks them. */
  readonly open?: boolean;
  readonly handler: Handler;
}

const endpoints: readonly Endpoint[] = [
  { method: 'GET', path: /^\/live$/, open: true, handler: showLive },
  { method: 'GET', path: /^\/ready$/, open: true, handler: showReady },
  { method: 'GET', path: /^\/metrics$/, handler: showMetrics },
  { method: 'GET', path: /^\/v1\/listeners$/, handler: showListeners },
  { method: 'GET', path: /^\/v1\/status$/, handler: showStatus },
  { method: 'GET', path: /^\/v1\/tasks$/, handler: showTasks },
  { method: 'GET', path: /^\/v1\/(zone|vips|routes|owners)$/, handler: showTable },
  { method: 'GET', path: /^\/v1\/certs$/, handler: showCertificates },
  { method: 'GET', path: /^\/v1\/diagnostics$/, handler: showDiagnostics },
  { method: 'GET', path: /^\/v1\/explain$/, handler: showExplanation },
  { method: 'GET', path: /^\/v1\/drained$/, handler: showDrained },
  { method: 'POST', path: /^\/v1\/resync$/, handler: resyncCluster },
  { method: 'POST', path: /^\/v1\/reload$/, handler: reloadConfiguration },
  {
    method: 'POST',
    path: /^\/v1\/backends\/(\[[0-9a-fA-F:.]+\]:\d+|[0-9.]+:\d+)\/(drain|undrain)$/,
    handler: judgeBackend,
  },
  { method: 'GET', path: /^\/$/, handler: showDashboard },
];

export function startAdmin(room: ControlRoom): ControlServer {
  const socket = room.options.sockets.find((candidate) => candidate.key === 'admin');
  const server = createServer((request, response) => void answer(room, request, response));
  server.headersTimeout = 10_000;
  server.requestTimeout = 60_000;
  return {
    async start() {
      await socket?.tcp?.attach(server);
    },
    stop: () => closeHttpServer(server),
  };
}

async function answer(room: ControlRoom, request: IncomingMessage, response: ServerResponse): Promise<void> {
  request.resume();
  try {
    write(response, request, await handle(room, request));
  } catch (error) {
    room.options.log.error({ path: request.url, error: messageOf(error) }, 'bug: admin request failed');
    write(response, request, problem(500, messageOf(error)));
  }
}

function handle(room: ControlRoom, request: IncomingMessage): Answer | Promise<Answer> {
  const url = URL.parse(request.url ?? '', 'http://admin');
  if (url === null) return problem(400, 'the request target is no path');
  const method = request.method === 'HEAD' ? 'GET' : request.method;
  const candidates = endpoints.filter((endpoint) => endpoint.path.test(url.pathname));
  const endpoint = candidates.find((candidate) => candidate.method === method);
  if (endpoint === undefined) {
    return candidates.length > 0
      ? {
          ...problem(405, `${url.pathname} takes ${candidates.map((one) => one.method).join(', ')}`),
          allow: candidates[0]?.method,
        }
      : problem(
          404,
          `nothing at ${url.pathname}; see /v1/status, /v1/tasks, /v1/zone, /v1/vips, /v1/routes, /v1/explain`,
        );
  }
  const refusal = endpoint.open === true ? null : refuse(room, endpoint.method, request);
  if (refusal !== null) return refusal;
  const parts = endpoint.path.exec(url.pathname)?.slice(1) ?? [];
  return endpoint.handler(room, {
    url,
    parts,
    wantsJson: request.headers.accept?.includes('application/json') ?? false,
  });
}

function refuse(room: ControlRoom, method: 'GET' | 'POST', request: IncomingMessage): Answer | null {
  const admin = room.options.config.admin;
  const token = admin?.token?.reveal() ?? null;
  const local = isLoopback(request.socket.localAddress ?? '');
  if (method === 'GET' && local) return null;
  if (token === null) {
    return problem(
      403,
      `${method === 'POST' ? 'changes need' : 'reading from elsewhere needs'} a token: set admin.token in the configuration`,
    );
  }
  const given = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
  if (sameText(given, token)) return null;
  return {
    ...problem(401, 'send the header "Authorization: Bearer TOKEN" with the configured admin.token'),
    authenticate: 'Bearer',
  };
}

function write(response: ServerResponse, request: IncomingMessage, found: Answer): void {
  response.statusCode = found.status;
  response.setHeader('Content-Type', found.type);
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('X-Content-Type-Options', 'nosniff');
  if (found.allow !== undefined) response.setHeader('Allow', found.allow);
  if (found.authenticate !== undefined) response.setHeader('WWW-Authenticate', found.authenticate);
  response.end(request.method === 'HEAD' ? undefined : found.body);
}
