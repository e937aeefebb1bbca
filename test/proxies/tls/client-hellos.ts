// ClientHellos of a real client, whole and cut.

import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { connect } from 'node:tls';

/** The first bytes of a real client. */
export async function helloFor(servername: string, protocols: readonly string[] = []): Promise<Buffer> {
  let onBytes = (_bytes: Buffer): void => undefined;
  const bytes = new Promise<Buffer>((resolve) => (onBytes = resolve));
  const target = createServer((socket) => socket.on('error', () => undefined).once('data', onBytes));
  await once(target.listen(0, '127.0.0.1'), 'listening');
  const { port } = target.address() as AddressInfo;
  const ALPNProtocols = [...protocols];
  const client = connect({ port, host: '127.0.0.1', servername, ALPNProtocols }).on('error', () => undefined);
  const hello = await bytes;
  client.destroy();
  target.close();
  return hello;
}

/** The same message in records of `size` octets. */
export function inRecords(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size);
    records.push(Buffer.of(22, 3, 1, part.length >> 8, part.length & 255), part);
  }
  return Buffer.concat(records);
}
