// The parser of requests beside Node's own: what we accept, Node accepts and reads the same; what Node refuses, we refuse.

import { createServer, type IncomingMessage, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import fc from 'fast-check';
import t from 'tap';
import { defaultLimits, RequestHead } from '../../../proxies/http1/index.ts';

/** Mostly what is fine, so that a head of many parts has a chance to be. */
const mostly = (good: readonly string[], bad: readonly string[]): fc.Arbitrary<string> =>
  fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...good) }, { weight: 1, arbitrary: fc.constantFrom(...bad) });

const word = mostly(['a', 'X-Y', 'Content-Length', 'Transfer-Encoding', 'Connection', 'b_c'], ['host', 'é', 'n m', '']);
const value = fc.oneof(
  fc.constantFrom(
    'a.example',
    'a.example:80',
    '5',
    '05',
    '+5',
    'chunked',
    'gzip, chunked',
    'close',
    'x, close',
    ' ',
    '\t',
    'a\rb',
    'a\0b',
  ),
  fc.string({ maxLength: 6, unit: 'binary' }).filter((text) => !/[\u0100-\u{10ffff}]/u.test(text)),
);
const field = fc.tuple(word, mostly([': ', ':', ':\t'], [' :', '']), value, mostly(['\r\n'], ['\n', '\r']));
const head = fc
  .record({
    method: mostly(['GET', 'POST', 'DELETE'], ['get', 'G T']),
    target: mostly(['/', '/a?b', '//', '/%41', 'http://b.example/'], ['*', 'a', '/ x', '/é']),
    version: mostly(['HTTP/1.1', 'HTTP/1.0'], ['HTTP/1.2', 'HTTP/2.0', 'http/1.1', '']),
    hosts: mostly(['Host: a.example\r\n'], ['']),
    fields: fc.array(field, { maxLength: 4 }),
    end: mostly(['\r\n'], ['\n']),
  })
  .map(
    ({ method, target, version, hosts, fields, end }) =>
      `${method} ${target} ${version}\r\n${hosts}${fields.map((parts) => parts.join('')).join('')}${end}`,
  );

t.test('against node:http', async (t) => {
  const node = await openNode();
  let both = 0;
  let stricter = 0;
  const property = fc.asyncProperty(head, async (text) => {
    const ours = read(text);
    if (ours === null) {
      stricter++;
      return;
    }
    both++;
    const theirs = await node.read(text);
    if (theirs === null) throw new Error('accepted, and Node refuses it');
    if (JSON.stringify(ours) !== JSON.stringify(theirs))
      throw new Error(`read as ${JSON.stringify(ours)}, by Node as ${JSON.stringify(theirs)}`);
  });
  await t.resolves(fc.assert(property, { seed: 7, numRuns: 800 }));
  t.ok(both > 50 && stricter > 50, `the heads are worth something: ${both} accepted, ${stricter} refused`);
  await node.close();
});

interface Read {
  readonly method: string;
  readonly url: string;
  readonly fields: readonly string[];
}

function read(text: string): Read | null {
  const bytes = Buffer.from(text, 'latin1');
  const parsed = new RequestHead();
  const end = parsed.parse(bytes, 0, bytes.length, defaultLimits);
  if (end <= 0) return null;
  const { fields } = parsed;
  const pairs = Array.from({ length: fields.count }, (_, i) => [fields.name(i), fields.value(i)]);
  return { method: parsed.method, url: parsed.target, fields: pairs.flat() };
}

interface NodeReader {
  read(text: string): Promise<Read | null>;
  close(): Promise<void>;
}

async function openNode(): Promise<NodeReader> {
  const server: Server = createServer({ keepAliveTimeout: 1 });
  let heard: IncomingMessage | null = null;
  server.on('request', (request, response) => {
    heard = request;
    response.setHeader('Connection', 'close');
    response.end();
    request.socket.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    async read(text) {
      heard = null;
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.end(Buffer.from(text, 'latin1'));
      socket.resume();
      await once(socket, 'close');
      const request = heard as IncomingMessage | null;
      return request === null
        ? null
        : { method: request.method ?? '', url: request.url ?? '', fields: request.rawHeaders };
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
