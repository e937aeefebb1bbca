// One client's conversation after the gate: handshake, destination, and the command that it asks for.

import { destinationText, listenerText, parseDestination, type Command, type FailureReason } from '../access/index.ts';
import { refuseWith, type Asked, type Client } from './asked.ts';
import { serveBind } from './bind.ts';
import { serveConnect } from './connect.ts';
import { readHandshake, type Handshake, type HandshakeFailure, type HandshakeOptions } from './handshake.ts';
import { commands, type SocksRequest } from './messages.ts';
import type { SocksOptions } from './options.ts';
import { serveUdp } from './udp.ts';

const commandNames: Readonly<Record<number, Command>> = {
  [commands.connect]: 'connect',
  [commands.bind]: 'bind',
  [commands.udp]: 'udp',
};

/** `withinMs`: for the handshake. */
export function converse(client: Client, withinMs: number): void {
  readHandshake(client.socket, handshakeOptions(client, withinMs), (shake) => {
    try {
      serve(client, shake);
    } catch (error) {
      client.fault(error);
    }
  });
}

function serve(client: Client, shake: Handshake | HandshakeFailure): void {
  const { session, metrics } = client;
  if ('failure' in shake) {
    metrics.handshakeFailure(shake.isLate === true ? 'timeout' : shake.failure);
    session.end({ verdict: 'deny', reason: shake.failure });
    return;
  }
  const { request, version, user } = shake;
  const command = commandNames[request.command];
  session.note({ proto: version === 5 ? 'socks5' : 'socks4', command, user, port: request.port });
  const refuse = (reason: FailureReason): void => refuseWith(client, version, reason);
  if (command === undefined || !isServed(command, version, client.options)) {
    refuse('unsupported');
    return;
  }
  const destination = destinationOf(request, command);
  if ('rejected' in destination) {
    session.note({ detail: destination.rejected });
    refuse('malformed');
    return;
  }
  const apps = client.options.owners.appsOf(client.address);
  session.note({ target: destinationText(destination), apps });
  const admission = client.core.admissions.admit({ listener: listenerText(client.listener), user, apps });
  if (admission === 'limit') {
    refuse('limit');
    return;
  }
  const asked: Asked = { ...client, shake, destination, admission };
  if (command === 'connect') serveConnect(asked);
  else (command === 'bind' ? serveBind : serveUdp)(asked).catch(client.fault);
}

function handshakeOptions({ core, options, address }: Client, headerMs: number): HandshakeOptions {
  const { users } = core;
  return {
    versions: options.versions ?? [5],
    verify: users === null ? null : (name, password) => users.verify(name, password, address),
    headerMs,
    clock: options.clock,
  };
}

const isServed = (command: Command, version: 4 | 5, { commands: served = ['connect'] }: SocksOptions): boolean =>
  served.includes(command) && (version === 5 || command !== 'udp');

/** Of UDP ASSOCIATE it is where the client will send from, which is often left out and never relied on. */
function destinationOf({ host, port }: SocksRequest, command: Command): ReturnType<typeof parseDestination> {
  if (command === 'udp') return { kind: 'ip', ip: '0.0.0.0' };
  if (command === 'connect' && port === 0) return { rejected: 'port 0 cannot be connected to' };
  return parseDestination(host);
}
