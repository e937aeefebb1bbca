// A client's handshake, from its first byte to the complete request. Clients split and join messages as they like.
//
// States: hello → (password →) request → done. `hello` tells versions apart by their first octet. Whatever is wrong ends the handshake
// with the reply that its version has for it; bytes after the request are payload and are handed on.

import type { Socket } from 'node:net';
import { sayFarewell, type FailureReason } from '../access/index.ts';
import type { Clock } from '../../src/runtime/index.ts';
import {
  credentialsReply,
  methodReply,
  methods,
  readCredentials,
  readGreeting,
  readRequest,
  readRequest4,
  reply4,
  reply5,
  type SocksRequest,
} from './messages.ts';

/** 4 is SOCKS4 and 4a, which a client tells apart by the address it sends. */
export type SocksVersion = 5 | 4;

export interface HandshakeOptions {
  readonly versions: readonly SocksVersion[];
  /** Whether a name and a password prove a user; null: nobody is asked. */
  readonly verify: ((name: string, password: string) => Promise<boolean>) | null;
  readonly headerMs: number;
  readonly clock: Clock;
}

export interface Handshake {
  readonly version: 4 | 5;
  readonly request: SocksRequest;
  readonly user: string | null;
  /** Payload that came with the request. */
  readonly rest: Buffer;
}

export interface HandshakeFailure {
  readonly failure: FailureReason;
  readonly isLate?: boolean;
}

/** Calls `onDone` once; after a failure the socket is closed or closing, after a success it is paused. */
export function readHandshake(
  socket: Socket,
  options: HandshakeOptions,
  onDone: (result: Handshake | HandshakeFailure) => void,
): void {
  let pending: Buffer = Buffer.alloc(0);
  let step: () => void = hello;
  let user: string | null = null;
  const deadline = options.clock.after(options.headerMs, () => refuse('malformed', null, true));
  const onClose = (): void => settle({ failure: 'aborted' });
  let settled = false;
  let ended = false;
  // A client may say all that it has to say and send FIN at once: only one that owes us something has gone.
  const onEnd = (): void => {
    ended = true;
    if (step !== nothing) refuse('aborted', null);
  };

  function settle(result: Handshake | HandshakeFailure): void {
    settled = true;
    deadline.cancel();
    socket.off('data', onData);
    socket.off('end', onEnd);
    socket.off('close', onClose);
    onDone(result);
  }

  function refuse(failure: FailureReason, words: Buffer | null, isLate = false): void {
    settle({ failure, isLate });
    if (words === null) socket.destroy();
    else sayFarewell(socket, words, options.clock);
  }

  function onData(chunk: Buffer): void {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    step();
  }

  function next(length: number, following: () => void): void {
    pending = pending.subarray(length);
    step = following;
    if (pending.length > 0) following();
  }

  function hello(): void {
    if (pending[0] === 0x04 && options.versions.includes(4)) request4();
    else if (options.versions.includes(5)) greeting();
    else refuse('malformed', null);
  }

  function greeting(): void {
    const message = readGreeting(pending);
    if (message.kind === 'incomplete') return;
    if (message.kind === 'malformed') {
      refuse('malformed', null);
      return;
    }
    const method = options.verify === null ? methods.none : methods.password;
    if (!message.methods.has(method)) {
      refuse('auth', methodReply(methods.unacceptable));
      return;
    }
    socket.write(methodReply(method));
    next(message.length, method === methods.none ? request : password);
  }

  function password(): void {
    const message = readCredentials(pending);
    if (message.kind === 'incomplete') return;
    if (message.kind === 'malformed' || options.verify === null) {
      refuse('malformed', null);
      return;
    }
    // Nothing is read meanwhile: a client could otherwise fill our memory while its password is looked at.
    socket.pause();
    step = nothing;
    void options.verify(message.name, message.password).then(
      (ok) => onVerified(ok, message.name, message.length),
      () => onVerified(false, message.name, message.length),
    );
  }

  function onVerified(ok: boolean, name: string, length: number): void {
    if (settled) return;
    if (!ok) {
      refuse('auth', credentialsReply(false));
      return;
    }
    user = name;
    socket.write(credentialsReply(true));
    socket.resume();
    next(length, request);
    if (ended && !settled) refuse('aborted', null);
  }

  function request(): void {
    const message = readRequest(pending);
    if (message.kind === 'request') done(5, message);
    else if (message.kind === 'malformed') refuse('malformed', null);
    else if (message.kind === 'unsupported') refuse('unsupported', reply5(message.reply, '', 0));
  }

  function request4(): void {
    const message = readRequest4(pending);
    if (message.kind === 'malformed') refuse('malformed', null);
    // Version 4 has no proof of who the client is.
    else if (message.kind === 'request' && options.verify !== null) refuse('auth', reply4(91));
    else if (message.kind === 'request') done(4, message);
  }

  function done(version: 4 | 5, message: SocksRequest): void {
    socket.pause();
    settle({ version, request: message, user, rest: pending.subarray(message.length) });
  }

  socket.on('data', onData);
  socket.once('end', onEnd);
  socket.once('close', onClose);
  if (socket.destroyed) onClose();
  // Whoever looked at its first bytes has paused it.
  else socket.resume();
}

const nothing = (): void => undefined;
