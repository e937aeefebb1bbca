// The HTTP proxy with origins before and clients behind it, for its tests.

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Test } from 'tap';
import { hashPassword } from '../../../proxies/access/index.ts';
import { createEgressFunction, type EgressFunction, type EgressOptions } from '../../../proxies/egress/index.ts';
import { allowCluster, basics, loopbackCluster, talk, type Basics } from '../access/scene.ts';

export interface Scene {
  readonly port: number;
  readonly egress: EgressFunction;
  readonly base: Basics;
}

export const names = {
  'web.own': ['127.0.0.1'],
  'www.example': ['127.0.0.1'],
  'slow.example': { failure: 'timeout', reason: '' },
} as const;

export async function open(t: Test, options: Partial<EgressOptions> = {}): Promise<Scene> {
  const base = basics(names);
  const egress = createEgressFunction({
    ...base,
    rules: allowCluster,
    users: null,
    owners: loopbackCluster,
    ...options,
  });
  await egress.start();
  t.teardown(() => egress.stop());
  return { egress, base, port: (options.listeners ?? base.listeners)[0]?.port ?? 0 };
}

export interface Origin {
  readonly port: number;
  /** Heads as they came, one character a byte. */
  readonly heads: readonly string[];
}

export async function origin(t: Test, onRequest: RequestListener): Promise<Origin> {
  const heads: string[] = [];
  const web = createServer((request, response) => {
    const fields = request.rawHeaders.flatMap((name, i, all) => (i % 2 === 0 ? [`${name}: ${all[i + 1]}`] : []));
    heads.push([`${request.method} ${request.url}`, ...fields].join('\n'));
    onRequest(request, response);
  });
  web.listen(0, '127.0.0.1');
  await once(web, 'listening');
  t.teardown(() => {
    web.closeAllConnections();
    web.close();
  });
  return { port: (web.address() as AddressInfo).port, heads };
}

export const hello: RequestListener = (_request, response) => response.end('hello');

/** The answer to a request, to the end of the connection. */
export async function ask(port: number, ...lines: readonly string[]): Promise<string> {
  const client = await talk(port);
  client.write([...lines, 'Connection: close', '', ''].join('\r\n'));
  const text = (await client.rest()).toString('latin1');
  client.socket.destroy();
  return text;
}

/** The same for bytes that are sent as they stand. */
export async function send(port: number, bytes: string): Promise<string> {
  const client = await talk(port);
  client.write(bytes);
  const text = (await client.rest()).toString('latin1');
  client.socket.destroy();
  return text;
}

export const status = (answer: string): number => Number(answer.slice(9, 12));

export const body = (answer: string): string => answer.slice(answer.indexOf('\r\n\r\n') + 4);

export const proxyStatus = (answer: string): string =>
  /^Proxy-Status: isthmus; error=(\w+)\r$/m.exec(answer)?.[1] ?? '';

/** A file with the user `batch`, whose password is `s3cret`. */
export async function usersFile(t: Test): Promise<string> {
  const path = join(t.testdir({}), 'users.yaml');
  await writeFile(path, `batch: "${await hashPassword('s3cret')}"\n`);
  return path;
}
