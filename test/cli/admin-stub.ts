// A stand-in for the daemon's admin API: fixed answers, and a record of what was asked.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';

export interface AdminStub {
  readonly url: string;
  /** `METHOD PATH`, `accept` and `authorization` of each request, in order. */
  readonly asked: { readonly line: string; readonly accept: string; readonly authorization: string }[];
}

export interface StubAnswer {
  readonly status?: number;
  /** Text as it stands; anything else as JSON. */
  readonly body: unknown;
}

/** `answer` is asked for each request; closed with the test. */
export async function startAdminStub(
  t: Test,
  answer: (path: string, accept: string) => StubAnswer,
): Promise<AdminStub> {
  const asked: AdminStub['asked'] = [];
  const server = createServer((request, response) => {
    const { accept = '', authorization = '' } = request.headers;
    asked.push({ line: `${request.method ?? ''} ${request.url ?? ''}`, accept, authorization });
    const { status = 200, body } = answer(request.url ?? '', accept);
    const isText = typeof body === 'string';
    response.writeHead(status, { 'content-type': isText ? 'text/plain' : 'application/json' });
    response.end(isText ? body : JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}
