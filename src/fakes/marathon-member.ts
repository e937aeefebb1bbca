// One member of a fake Marathon: answers as leader, or sends on to the leader as Marathon's followers do.
import http from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Switches } from './fault-switches.ts';
import { createSwitches } from './fault-switches.ts';
import type { EventHub } from './marathon-events.ts';
import type { MarathonFaults } from './marathon-faults.ts';
import { noMarathonFaults } from './marathon-faults.ts';
import { sendText } from './response-body.ts';

interface MemberOptions {
  readonly index: number;
  readonly host: string;
  readonly port: number;
  readonly followers: 'redirect' | 'proxy';
  readonly faults: Partial<MarathonFaults>;
  // host:port of the leader.
  leader(): string | undefined;
  isLeader(): boolean;
  hub(): EventHub;
  // What the leader's API answers.
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

const PROXY_READ_LIMIT_MS = 10_000;

export class MarathonMember {
  readonly faults: Switches<MarathonFaults>;
  readonly #options: MemberOptions;
  readonly #server: http.Server;
  readonly #sockets = new Set<Socket>();
  #port: number;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#port = options.port;
    this.faults = createSwitches({ ...noMarathonFaults(), ...options.faults });
    this.#server = http.createServer((request, response) => {
      this.#handle(request, response).catch(() => {
        response.destroy();
      });
    });
    this.#server.on('connection', (socket: Socket) => {
      socket.setNoDelay(true);
      this.#sockets.add(socket);
      socket.once('close', () => this.#sockets.delete(socket));
    });
  }

  get address(): string {
    return `${this.#options.host}:${String(this.#port)}`;
  }

  get url(): string {
    return `http://${this.address}`;
  }

  async start(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ host: this.#options.host, port: this.#port }, resolve);
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const faults = this.faults.values;
    if (faults.delayMs > 0) await sleep(faults.delayMs);
    const path = new URL(request.url ?? '/', 'http://marathon').pathname;
    if (faults.page !== null) this.#page(request, response, faults.page);
    else if (path === '/ping') sendText(request, response, 200, 'text/plain', 'pong');
    else if (!isAllowed(request, faults)) refuseAuth(request, response, faults);
    else if (faults.unavailable)
      sendText(request, response, 503, 'application/json', '{"message":"Too many concurrent requests"}');
    else if (path === '/v2/leader') this.#leader(request, response);
    else if (!this.#options.isLeader()) this.#follow(request, response, path);
    else if (path === '/v2/events') this.#events(request, response);
    else await this.#options.answer(request, response);
  }

  #page(request: IncomingMessage, response: ServerResponse, page: 'html-200' | 'html-502'): void {
    const [status, title] = page === 'html-200' ? [200, 'Welcome'] : [502, 'Bad Gateway'];
    sendText(request, response, status, 'text/html', `<html><body><h1>${title}</h1></body></html>\n`);
  }

  #leader(request: IncomingMessage, response: ServerResponse): void {
    const leader = this.#options.leader();
    if (leader === undefined) sendText(request, response, 404, 'application/json', '{"message":"There is no leader"}');
    else sendText(request, response, 200, 'application/json', JSON.stringify({ leader }));
  }

  #events(request: IncomingMessage, response: ServerResponse): void {
    const accepted = (request.headers.accept ?? '').split(',').some((type) => type.trim() === 'text/event-stream');
    if (request.method !== 'GET' || !accepted) sendText(request, response, 405, '', '');
    else this.#options.hub().attach(request, response, this.faults);
  }

  #follow(request: IncomingMessage, response: ServerResponse, path: string): void {
    const leader = this.#options.leader();
    if (leader === undefined) sendText(request, response, 502, 'text/plain', 'Could not determine the current leader');
    else if (request.headers['x-marathon-via'] !== undefined)
      sendText(request, response, 502, 'text/plain', 'Detected proxying loop.');
    else if (path === '/v2/events' && this.#options.followers === 'redirect') {
      response.setHeader('location', `http://${leader}${request.url ?? ''}`);
      sendText(request, response, 302, '', '');
    } else this.#proxy(request, response, leader);
  }

  #proxy(request: IncomingMessage, response: ServerResponse, leader: string): void {
    const headers = { ...request.headers, 'x-marathon-via': `1.1 ${this.address}` };
    const isStream = request.headers.accept === 'text/event-stream';
    const onward = http.request(
      `http://${leader}${request.url ?? ''}`,
      { method: request.method, headers, agent: false },
      (answer) => {
        response.setHeader('x-marathon-leader', `http://${leader}`);
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        response.flushHeaders();
        answer.pipe(response);
      },
    );
    if (!isStream) onward.setTimeout(PROXY_READ_LIMIT_MS, () => onward.destroy(new Error('timed out')));
    onward.once('error', () => {
      if (response.headersSent) response.destroy();
      else sendText(request, response, 502, 'text/plain', 'Connection refused by leader');
    });
    response.once('close', () => onward.destroy());
    request.pipe(onward);
  }
}

function isAllowed(request: IncomingMessage, { auth }: MarathonFaults): boolean {
  if (auth === null) return true;
  const wanted =
    'token' in auth
      ? `token=${auth.token}`
      : `Basic ${Buffer.from(`${auth.user}:${auth.password}`).toString('base64')}`;
  return request.headers.authorization === wanted;
}

function refuseAuth(request: IncomingMessage, response: ServerResponse, { auth }: MarathonFaults): void {
  const isToken = auth !== null && 'token' in auth;
  response.setHeader('www-authenticate', isToken ? 'oauthjwt' : 'Basic realm="Mesosphere"');
  if (isToken)
    sendText(request, response, 401, 'text/html', '<html><body><h1>401 Authorization Required</h1></body></html>\n');
  else sendText(request, response, 401, 'application/json', '{"message":"Invalid username or password."}');
}
