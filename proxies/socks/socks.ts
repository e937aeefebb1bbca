// The SOCKS proxy: legacy systems reach the cluster, and what else the rules allow, by CONNECT of SOCKS5 (RFC 1928) and SOCKS4/4a.

import type { Socket } from 'node:net';
import { IsthmusError, openTunnel, type TcpListener } from '../../src/runtime/index.ts';
import type { TrafficFunction } from '../../src/ports/index.ts';
import {
  canonicalIp,
  clientAddress,
  createAcceptor,
  createRuledCore,
  destinationText,
  dialectsOf,
  listenerText,
  parseDestination,
  sayFarewell,
  type AskedFor,
  type Dialed,
  type FailureReason,
  type RuledCore,
  type RuledProxyOptions,
  type Session,
} from '../access/index.ts';
import { readHandshake, type Handshake, type HandshakeOptions, type SocksVersion } from './handshake.ts';
import { commands, reply4, reply5 } from './messages.ts';

export interface SocksOptions extends RuledProxyOptions {
  /** Versions that are spoken; [5] where absent. */
  readonly versions?: readonly SocksVersion[];
}

export interface SocksFunction extends TrafficFunction {
  /** What of its configuration could not be honoured, one line each; empty: all of it. */
  problems(): readonly string[];
}

const defaultVersions: readonly SocksVersion[] = [5];

/** TrafficFunction `socks`. Listeners that would carry passwords in clear are not opened; `start` rejects where none is left. */
export function createSocksFunction(options: SocksOptions): SocksFunction {
  const core = createRuledCore('socks', options);
  const { clock, log } = options;
  const acceptor = createAcceptor({
    listeners: core.listeners,
    clock,
    log,
    onConnection: (socket, listener) => accept(core, options, socket, listener),
  });
  return {
    name: 'socks',
    problems: () => [...core.problems(), ...acceptor.problems()],
    async start() {
      if (core.listeners.length === 0) {
        const reason = core.problems()[0] ?? 'there is no listener';
        throw new IsthmusError('SOCKS_NOT_STARTED', reason, { side: 'internal', retryable: false });
      }
      await core.users?.start();
      await acceptor.start();
    },
    drain: (deadlineMs) => acceptor.drain(deadlineMs),
    async stop() {
      core.users?.stop();
      await acceptor.stop();
    },
  };
}

function accept(core: RuledCore, options: SocksOptions, socket: Socket, listener: TcpListener): void {
  const client = clientAddress(socket);
  const refusal = core.gate.enter(client);
  if (refusal !== null) {
    core.sessions.refuse(refusal, { client, listener: listenerText(listener) });
    socket.resetAndDestroy();
    return;
  }
  socket.once('close', () => core.gate.leave(client));
  const session = core.sessions.open({ listener: listenerText(listener), client });
  converse(core, options, socket, client, session).catch((error: unknown) => {
    core.sessions.fault(error);
    session.end({ verdict: 'deny', reason: 'connect-failure' });
    socket.destroy();
  });
}

async function converse(
  core: RuledCore,
  options: SocksOptions,
  socket: Socket,
  client: string,
  session: Session,
): Promise<void> {
  const shake = await readHandshake(socket, handshakeOptions(core, options, client));
  if ('failure' in shake) {
    session.end({ verdict: 'deny', reason: shake.failure });
    return;
  }
  const { request } = shake;
  session.note({ proto: `socks${shake.version}`, user: shake.user, port: request.port });
  const destination = parseDestination(request.host);
  const fail = (reason: FailureReason): void => {
    session.end({ verdict: 'deny', reason });
    const { socks5 } = dialectsOf(reason);
    sayFarewell(socket, shake.version === 4 ? reply4(91) : reply5(socks5, '', 0), options.clock);
  };
  if (request.command !== commands.connect) {
    fail('unsupported');
    return;
  }
  if ('rejected' in destination || request.port === 0) {
    session.note({ detail: 'rejected' in destination ? destination.rejected : 'port 0 cannot be connected to' });
    fail('malformed');
    return;
  }
  session.note({ target: destinationText(destination), apps: options.owners.appsOf(client) });
  const asked = {
    client,
    user: shake.user,
    command: 'connect',
    destination,
    port: request.port,
    defaultPort: null,
  } as const;
  const dialed = await dial(core, asked, socket, session);
  if ('failure' in dialed) fail(dialed.failure);
  else join(core, options, socket, session, shake, dialed);
}

function handshakeOptions(core: RuledCore, options: SocksOptions, client: string): HandshakeOptions {
  const { users } = core;
  return {
    versions: options.versions ?? defaultVersions,
    verify: users === null ? null : (name, password) => users.verify(name, password, client),
    headerMs: core.timeouts.headerMs,
    clock: options.clock,
  };
}

async function dial(
  core: RuledCore,
  asked: AskedFor,
  socket: Socket,
  session: Session,
): Promise<Dialed | { readonly failure: FailureReason }> {
  const first = core.preview(asked);
  session.note({ rule: first.rule });
  if (first.verdict === 'deny') return { failure: first.reason ?? 'denied' };
  if (first.logsOpen) session.announce();
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  socket.once('close', onClose);
  const dialed = await core.dialer.dial({
    destination: asked.destination,
    port: asked.port,
    judge: (ip, own) => core.rules.judge({ ...asked, ip, own }),
    signal: gone.signal,
  });
  socket.off('close', onClose);
  const { rule, dnsMs, connectMs } = dialed;
  session.note({ rule, dnsMs: Math.round(dnsMs), connectMs: Math.round(connectMs) });
  return dialed;
}

function join(
  core: RuledCore,
  options: SocksOptions,
  socket: Socket,
  session: Session,
  { version, rest }: Handshake,
  { socket: upstream, ip }: Dialed,
): void {
  session.note({ ip });
  const bound = canonicalIp(upstream.localAddress ?? '') ?? '';
  socket.write(version === 4 ? reply4(90) : reply5(0x00, bound, upstream.localPort ?? 0));
  if (rest.length > 0) upstream.write(rest);
  openTunnel(socket, upstream, {
    idleMs: core.timeouts.tunnelMs,
    halfCloseMs: core.timeouts.halfCloseMs,
    clock: options.clock,
    onEnd: ({ bytesUp, bytesDown, reason }) =>
      session.end({ verdict: 'allow', reason, bytesUp: bytesUp + rest.length, bytesDown }),
  });
}
