// The listener of Mesos-DNS's HTTP API. Runs where the zone view is: in the control process.

import { createServer, type Server, type ServerResponse } from 'node:http';
import { closeHttpServer, messageOf, type Logger, type TcpListener } from '../src/runtime/index.ts';
import { dnsHttpReply, type DnsHttpSource, type HttpReply } from './http-replies.ts';

export interface DnsHttpOptions {
  readonly listeners: readonly TcpListener[];
  readonly source: DnsHttpSource;
  readonly log: Logger;
}

export interface DnsHttp {
  /** Rejects if a listener cannot be opened. */
  start(): Promise<void>;
  /** Stops accepting; resolves when requests under way are answered or cut. */
  stop(): Promise<void>;
}

const headersMs = 5000;
const requestMs = 10_000;

export function createDnsHttp({ listeners, source, log }: DnsHttpOptions): DnsHttp {
  const limits = { headersTimeout: headersMs, requestTimeout: requestMs, maxHeaderSize: 8192 };
  const servers = listeners.map(() =>
    createServer(limits, (request, response) => {
      request.resume();
      respond(request.method ?? '', request.url ?? '', request.headers.accept ?? '', response, source, log);
    }),
  );
  return {
    async start() {
      await Promise.all(listeners.map((listener, i) => listener.attach(servers[i] as Server)));
    },
    async stop() {
      await Promise.all(servers.map(closeHttpServer));
    },
  };
}

function respond(
  method: string,
  url: string,
  accept: string,
  response: ServerResponse,
  source: DnsHttpSource,
  log: Logger,
): void {
  try {
    const isRead = method === 'GET' || method === 'HEAD';
    send(response, isRead ? dnsHttpReply(url.split('?')[0] ?? '', accept, source) : { status: 405, body: null });
  } catch (error) {
    log.error({ error: messageOf(error) }, 'a request to the DNS HTTP API failed for a bug of ours');
    send(response, { status: 500, body: null });
  }
}

function send(response: ServerResponse, { status, body, text }: HttpReply): void {
  const isJson = text === undefined && body !== null;
  response.writeHead(status, isJson ? { 'content-type': 'application/json' } : { 'content-type': 'text/plain' });
  response.end(isJson ? `${JSON.stringify(body, null, 1)}\n` : (text ?? ''));
}
