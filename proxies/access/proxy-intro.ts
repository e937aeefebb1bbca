// The PROXY header that a load balancer in front sends first: who the client is (HAProxy's "The PROXY protocol", versions 1 and 2).

import type { Socket } from 'node:net';
import { isIPv4 } from '../../src/cluster/index.ts';
import type { Clock } from '../../src/runtime/index.ts';
import { canonicalIp } from './address.ts';

export interface Introduction {
  /** Null where the peer speaks for itself: version 1 `UNKNOWN`, version 2 `LOCAL`. */
  readonly client: { readonly ip: string; readonly port: number } | null;
}

interface Parsed extends Introduction {
  /** Bytes that the header takes. */
  readonly length: number;
}

type Outcome = Parsed | 'more' | 'bad';

const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
const longestLine = 107;
const longestBlock = 2048;

/** Reads a header at the start of `bytes`. */
export function parseIntroduction(bytes: Buffer): Outcome {
  if (bytes.length === 0) return 'more';
  const seen = bytes.subarray(0, signature.length);
  if (seen.equals(signature.subarray(0, seen.length))) return bytes.length < 16 ? 'more' : parseBlock(bytes);
  return parseLine(bytes);
}

function parseLine(bytes: Buffer): Outcome {
  const text = bytes.toString('latin1', 0, longestLine + 1);
  const end = text.indexOf('\r\n');
  if (end < 0) return text.length > longestLine || !isLineStart(text) ? 'bad' : 'more';
  const length = end + 2;
  const [name, family, source = '', , port = '', ...rest] = text.slice(0, end).split(' ');
  if (name !== 'PROXY') return 'bad';
  if (family === 'UNKNOWN') return { client: null, length };
  const ip = canonicalIp(source);
  const isFamily = family === (isIPv4(source) ? 'TCP4' : 'TCP6');
  if (ip === null || !isFamily || !/^\d{1,5}$/.test(port) || Number(port) > 65_535 || rest.length !== 1) return 'bad';
  return { client: { ip, port: Number(port) }, length };
}

const isLineStart = (text: string): boolean =>
  text.startsWith('PROXY ') || 'PROXY '.startsWith(text.slice(0, 'PROXY '.length));

function parseBlock(bytes: Buffer): Outcome {
  const [command = 0, family = 0] = [bytes[12], bytes[13]];
  const length = 16 + bytes.readUInt16BE(14);
  if (command >>> 4 !== 2 || (command & 15) > 1 || length > longestBlock) return 'bad';
  if (bytes.length < length) return 'more';
  if ((command & 15) === 0) return { client: null, length };
  if (family === 0x11 && length >= 28)
    return { client: { ip: [...bytes.subarray(16, 20)].join('.'), port: bytes.readUInt16BE(24) }, length };
  if (family === 0x21 && length >= 52) {
    const groups = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(16 + i * 2).toString(16));
    const ip = canonicalIp(groups.join(':'));
    return ip === null ? 'bad' : { client: { ip, port: bytes.readUInt16BE(48) }, length };
  }
  return { client: null, length };
}

/**
 * Reads the header off `socket`, within `limitMs`; what came behind it is put back. Null where there was none, or no good one. `socket` is
 * paused before and after.
 */
export function awaitIntroduction(socket: Socket, limitMs: number, clock: Clock): Promise<Introduction | null> {
  return new Promise((resolve) => {
    let bytes: Buffer = Buffer.alloc(0);
    const settle = (introduction: Introduction | null): void => {
      deadline.cancel();
      socket.off('data', onData).off('end', onEnd).off('close', onEnd);
      socket.pause();
      resolve(introduction);
    };
    const onEnd = (): void => settle(null);
    const onData = (chunk: Buffer): void => {
      bytes = Buffer.concat([bytes, chunk]);
      const outcome = parseIntroduction(bytes);
      if (outcome === 'more') return;
      if (outcome !== 'bad' && outcome.length < bytes.length) {
        socket.pause();
        socket.unshift(bytes.subarray(outcome.length));
      }
      settle(outcome === 'bad' ? null : outcome);
    };
    const deadline = clock.after(limitMs, () => settle(null));
    socket.on('data', onData).once('end', onEnd).once('close', onEnd);
    socket.resume();
  });
}
