// One question to one upstream: over UDP from a fresh socket and port with a random id, over TCP where the reply was cut. A reply counts
// only if it comes from the address asked and repeats id and question.

import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import type { Clock } from '../../src/runtime/index.ts';
import { createFrameReader, frame, keyOfWire, skipName } from '../wire/index.ts';
import { udpOctets } from '../reply.ts';

export interface ForwardQuestion {
  /** Lower-case wire name. */
  readonly key: string;
  readonly type: number;
  readonly class: number;
  readonly checkingDisabled: boolean;
  readonly dnssecOk: boolean;
}

export type ExchangeFailure = 'timeout' | 'unreachable' | 'cancelled';

export interface ExchangeOptions {
  readonly ip: string;
  readonly port: number;
  readonly transport: 'udp' | 'tcp';
  /** Whether the question carries EDNS: servers of old answer FORMERR to it. */
  readonly edns: boolean;
  readonly timeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** The upstream's reply, whatever its code, or why there is none. Never rejects. */
export function exchange(question: ForwardQuestion, options: ExchangeOptions): Promise<Buffer | ExchangeFailure> {
  const id = randomInt(0x10000);
  const packet = encodeQuestion(question, id, options.edns);
  return exchangePacket(packet, options, (bytes) => repliesTo(bytes, id, question));
}

/** As `exchange` for a packet that is made already; `isReply` tells the reply to it from what others send. */
export function exchangePacket(
  packet: Buffer,
  options: ExchangeOptions,
  isReply: (bytes: Buffer) => boolean,
): Promise<Buffer | ExchangeFailure> {
  return new Promise((resolve) => {
    const opened = options.transport === 'udp' ? overUdp : overTcp;
    const settle = (outcome: Buffer | ExchangeFailure): void => {
      timer.cancel();
      options.signal.removeEventListener('abort', cancel);
      close();
      resolve(outcome);
    };
    const cancel = (): void => settle('cancelled');
    const timer = options.clock.after(options.timeoutMs, () => settle('timeout'));
    options.signal.addEventListener('abort', cancel, { once: true });
    const close = opened(packet, options, isReply, settle);
    if (options.signal.aborted) cancel();
  });
}

type Settle = (outcome: Buffer | ExchangeFailure) => void;
type IsReply = (bytes: Buffer) => boolean;

function overUdp(packet: Buffer, { ip, port }: ExchangeOptions, isReply: IsReply, settle: Settle): () => void {
  const socket = createSocket(isIPv6(ip) ? 'udp6' : 'udp4');
  let isOpen = true;
  socket.on('error', () => settle('unreachable'));
  // Others may write to the port too; the wait for the real reply goes on.
  socket.on('message', (bytes) => {
    if (isReply(bytes)) settle(bytes);
  });
  // Connected, the kernel drops what other addresses send and reports that nobody listens.
  socket.connect(port, ip, () => {
    if (isOpen) socket.send(packet);
  });
  return () => {
    if (!isOpen) return;
    isOpen = false;
    socket.close();
  };
}

function overTcp(packet: Buffer, { ip, port }: ExchangeOptions, isReply: IsReply, settle: Settle): () => void {
  const socket = connect({ host: ip, port });
  const reader = createFrameReader((bytes) => settle(isReply(bytes) ? bytes : 'unreachable'));
  socket.on('error', () => settle('unreachable'));
  socket.on('close', () => settle('unreachable'));
  socket.on('data', (chunk: Buffer) => reader.push(chunk));
  socket.write(frame(packet));
  return () => void socket.destroy();
}

function encodeQuestion(question: ForwardQuestion, id: number, edns: boolean): Buffer {
  const name = Buffer.from(question.key, 'latin1');
  const end = 12 + name.length + 4;
  const bytes = Buffer.alloc(end + (edns ? 11 : 0));
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt16BE(0x0100 | (question.checkingDisabled ? 0x0010 : 0), 2);
  bytes.writeUInt16BE(1, 4);
  name.copy(bytes, 12);
  bytes.writeUInt16BE(question.type, end - 4);
  bytes.writeUInt16BE(question.class, end - 2);
  if (!edns) return bytes;
  bytes[11] = 1;
  bytes.writeUInt16BE(41, end + 1);
  bytes.writeUInt16BE(udpOctets, end + 3);
  bytes[end + 7] = question.dnssecOk ? 0x80 : 0;
  return bytes;
}

function repliesTo(bytes: Buffer, id: number, question: ForwardQuestion): boolean {
  if (bytes.length < 12 || bytes.readUInt16BE(0) !== id || (bytes.readUInt16BE(2) & 0xf800) !== 0x8000) return false;
  const end = bytes.readUInt16BE(4) === 1 ? skipName(bytes, 12) : -1;
  if (end < 0 || end + 4 > bytes.length) return false;
  const isSame = bytes.readUInt16BE(end) === question.type && bytes.readUInt16BE(end + 2) === question.class;
  return isSame && keyOfWire(bytes.subarray(12, end)) === question.key;
}
