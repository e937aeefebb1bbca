// A client of HTTP/1.1's fuzzing, on plain sockets: sends octets, ends its side, and counts only on an end.

import { connect } from 'node:net';
import type { Random } from '../../src/runtime/index.ts';
import { Finding } from './fuzz-run.ts';
import { below } from './mutation.ts';

const patienceMs = 15_000;

export const tokensIn = (text: string): readonly string[] =>
  [...text.matchAll(/t[0-9a-f]{12}/g)].map(([token]) => token);

/**
 * Sends octets, some in pieces, and returns everything that came until the other side ended. Where this side `ends`, too, there is nothing
 * to wait for, and who answers late may take it for gone. A connection that stays open is a finding.
 */
export function exchange(port: number, bytes: Buffer, random: Random, ends = true): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    let received = '';
    const late = setTimeout(() => {
      socket.destroy();
      reject(new Finding('a connection that stays open', bytes));
    }, patienceMs);
    socket.on('data', (chunk: Buffer) => (received += chunk.toString('latin1')));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.destroy());
    socket.once('close', () => {
      clearTimeout(late);
      resolve(received);
    });
    const cut = random() < 0.3 ? below(random, bytes.length + 1) : bytes.length;
    if (cut === bytes.length) {
      if (ends) socket.end(bytes);
      else socket.write(bytes);
      return;
    }
    socket.write(bytes.subarray(0, cut));
    setImmediate(
      () => socket.destroyed || (ends ? socket.end(bytes.subarray(cut)) : socket.write(bytes.subarray(cut))),
    );
  });
}
