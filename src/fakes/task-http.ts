// What a task's HTTP server answers: who it is, its health, and a few behaviours a proxy has to carry.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { acceptWebSocket } from './websocket-echo.ts';

export interface TaskIdentity {
  readonly app: string;
  readonly taskId: string;
  readonly agent: string;
  healthy: boolean;
}

// Conversations that have no end of their own (TCP, WebSocket, SSE), each with what ends it.
export type Sessions = Map<Socket, () => void>;

interface TaskHandler {
  request(request: IncomingMessage, response: ServerResponse): void;
  upgrade(request: IncomingMessage, socket: Socket, head: Buffer): void;
}

type Answer = (exchange: Exchange) => Promise<void> | void;

interface Exchange {
  readonly identity: TaskIdentity;
  readonly sessions: Sessions;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

const SSE_PERIOD_MS = 200;
const PIECE = Buffer.alloc(65_536, 'x');

export function createTaskHandler(identity: TaskIdentity, sessions: Sessions): TaskHandler {
  return {
    request(request, response) {
      const url = new URL(request.url ?? '/', 'http://task');
      response.setHeader('x-task', identity.taskId);
      const answer = answers.get(url.pathname) ?? (url.pathname.startsWith('/health') ? health : about);
      Promise.resolve(answer({ identity, sessions, request, response, url })).catch(() => {
        response.destroy();
      });
    },
    upgrade(request, socket, head) {
      const end = acceptWebSocket(request, socket, head, `x-task: ${identity.taskId}\r\n`);
      if (end !== undefined) sessions.set(socket, end);
    },
  };
}

const answers = new Map<string, Answer>([
  ['/echo', echo],
  ['/slow', slow],
  ['/bytes', bytes],
  ['/sse', events],
]);

function about({ identity, request, response }: Exchange): void {
  const { app, taskId, agent } = identity;
  const text = `app ${app}\ntask ${taskId}\nagent ${agent}\npid ${String(process.pid)}\npath ${request.url ?? ''}\n`;
  request.resume();
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(text) }).end(text);
}

function health({ identity, response, request }: Exchange): void {
  request.resume();
  response
    .writeHead(identity.healthy ? 200 : 503, { 'content-type': 'text/plain' })
    .end(identity.healthy ? 'ok\n' : 'sick\n');
}

async function echo({ identity, request, response }: Exchange): Promise<void> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece as Buffer);
  const body = Buffer.concat(pieces);
  const { method, url, httpVersion, headers, rawHeaders, trailers, socket } = request;
  const peer = `${socket.remoteAddress ?? ''}:${String(socket.remotePort ?? 0)}`;
  const head = { task: identity.taskId, method, url, httpVersion, headers, rawHeaders, trailers, peer };
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify({ ...head, body: body.toString('utf8'), bytes: body.length }));
}

async function slow({ identity, request, response, url }: Exchange): Promise<void> {
  request.resume();
  await sleep(Number(url.searchParams.get('ms') ?? '1000'));
  response.end(`slow ${identity.taskId}\n`);
}

async function bytes({ request, response, url }: Exchange): Promise<void> {
  request.resume();
  const total = Number(url.searchParams.get('n') ?? '1024');
  response.writeHead(200, { 'content-type': 'application/octet-stream', 'content-length': total });
  for (let left = total; left > 0 && !response.destroyed; left -= PIECE.length) {
    const room = response.write(left < PIECE.length ? PIECE.subarray(0, left) : PIECE);
    if (!room) await drained(response);
  }
  response.end();
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off('drain', go).off('close', go);
      resolve();
    };
    response.once('drain', go).once('close', go);
  });
}

function events({ identity, sessions, request, response }: Exchange): void {
  request.resume();
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
  let count = 0;
  const tick = (): void => {
    response.write(`id: ${String(count)}\ndata: ${identity.taskId} ${String(count++)}\n\n`);
  };
  tick();
  const timer = setInterval(tick, SSE_PERIOD_MS);
  response.once('close', () => {
    clearInterval(timer);
  });
  sessions.set(request.socket, () => {
    clearInterval(timer);
    response.end();
  });
}
