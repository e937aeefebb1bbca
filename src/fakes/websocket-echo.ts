// A WebSocket echo (RFC 6455): text and binary come back, pings are answered, a close is returned.
import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';

const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const CONTINUATION = 0;
const CLOSE = 8;
const PING = 9;
const PONG = 10;
const GOING_AWAY = 1001;
const PROTOCOL_ERROR = 1002;

interface Frame {
  readonly final: boolean;
  readonly opcode: number;
  readonly payload: Buffer;
  readonly size: number;
}

// Returns what ends the session, or undefined when the request was refused.
// `fields` are header lines of the answer, each with its CRLF.
export function acceptWebSocket(
  request: IncomingMessage,
  socket: Socket,
  head: Buffer,
  fields = '',
): (() => void) | undefined {
  const key = request.headers['sec-websocket-key'];
  if (
    request.headers.upgrade?.toLowerCase() !== 'websocket' ||
    key === undefined ||
    request.headers['sec-websocket-version'] !== '13'
  ) {
    socket.end(
      'HTTP/1.1 426 Upgrade Required\r\nSec-WebSocket-Version: 13\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    );
    return undefined;
  }
  const accept = createHash('sha1')
    .update(key + GUID)
    .digest('base64');
  const protocol = request.headers['sec-websocket-protocol']?.split(',')[0]?.trim();
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
      `Sec-WebSocket-Accept: ${accept}\r\n${fields}${protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`}\r\n`,
  );
  return serve(socket, head);
}

function serve(socket: Socket, head: Buffer): () => void {
  let pending = head;
  const closeWith = (code: number): void => {
    const body = Buffer.alloc(2);
    body.writeUInt16BE(code);
    socket.end(encodeFrame(CLOSE, body, true));
  };
  const take = (bytes: Buffer): void => {
    pending = Buffer.concat([pending, bytes]);
    for (let frame = decodeFrame(pending); frame !== undefined; frame = decodeFrame(pending)) {
      if (frame === 'unmasked') {
        closeWith(PROTOCOL_ERROR);
        return;
      }
      pending = pending.subarray(frame.size);
      answer(socket, frame);
    }
  };
  socket.on('data', take);
  // Sockets of node:http stay half-open.
  socket.on('end', () => socket.end());
  take(Buffer.alloc(0));
  return () => {
    closeWith(GOING_AWAY);
  };
}

function answer(socket: Socket, frame: Frame): void {
  if (frame.opcode === CLOSE) socket.end(encodeFrame(CLOSE, frame.payload, true));
  else if (frame.opcode === PING) socket.write(encodeFrame(PONG, frame.payload, true));
  else if (frame.opcode <= 2 || frame.opcode === CONTINUATION)
    socket.write(encodeFrame(frame.opcode, frame.payload, frame.final));
}

function decodeFrame(bytes: Buffer): Frame | 'unmasked' | undefined {
  if (bytes.length < 2) return undefined;
  const first = bytes.readUInt8(0);
  const second = bytes.readUInt8(1);
  if ((second & 0x80) === 0) return 'unmasked';
  const short = second & 0x7f;
  const lengthBytes = short === 127 ? 8 : short === 126 ? 2 : 0;
  const maskAt = 2 + lengthBytes;
  if (bytes.length < maskAt + 4) return undefined;
  const length =
    lengthBytes === 8 ? Number(bytes.readBigUInt64BE(2)) : lengthBytes === 2 ? bytes.readUInt16BE(2) : short;
  const size = maskAt + 4 + length;
  if (bytes.length < size) return undefined;
  const mask = bytes.subarray(maskAt, maskAt + 4);
  const payload = Buffer.from(bytes.subarray(maskAt + 4, size));
  for (let at = 0; at < payload.length; at++) payload[at] = (payload[at] ?? 0) ^ (mask[at % 4] ?? 0);
  return { final: (first & 0x80) !== 0, opcode: first & 0x0f, payload, size };
}

function encodeFrame(opcode: number, payload: Buffer, final: boolean): Buffer {
  const first = (final ? 0x80 : 0) | opcode;
  if (payload.length < 126) return Buffer.concat([Buffer.from([first, payload.length]), payload]);
  const head = Buffer.alloc(payload.length < 65_536 ? 4 : 10);
  head.writeUInt8(first, 0);
  if (head.length === 4) {
    head.writeUInt8(126, 1);
    head.writeUInt16BE(payload.length, 2);
  } else {
    head.writeUInt8(127, 1);
    head.writeBigUInt64BE(BigInt(payload.length), 2);
  }
  return Buffer.concat([head, payload]);
}
