// BIND: a port is opened for one peer, which the client waits for; strangers that come first are turned away and change nothing.

import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { clientAddress, type FailureReason } from '../access/index.ts';
import { askedFor, refuse, type Asked } from './asked.ts';
import { reply4, reply5 } from './messages.ts';
import { openOn, relayAddress } from './relay-address.ts';

/** What a client may send before its peer is there; more of it waits in its own buffers. */
const mostEarlyBytes = 65_536;

type PeerCheck = (peer: Socket) => boolean;

export async function serveBind(asked: Asked): Promise<void> {
  const { core, options, session, socket } = asked;
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  socket.once('close', onClose);
  const isExpected = await peerCheck(asked, gone.signal);
  if (typeof isExpected !== 'function') {
    socket.off('close', onClose);
    refuse(asked, isExpected.failure);
    return;
  }
  const address = relayAddress(asked);
  const server = await openOn(address, options.portRange ?? null, options.random, listen);
  if (server === null || gone.signal.aborted) {
    socket.off('close', onClose);
    server?.close();
    refuse(asked, gone.signal.aborted ? 'aborted' : 'limit');
    return;
  }
  const { port } = server.address() as AddressInfo;
  session.note({ bound: port });
  say(asked, address.told, port);
  const early = keepEarly(asked);
  const peer = await awaitPeer(server, isExpected, asked, gone.signal);
  socket.off('close', onClose);
  if (peer === null) {
    refuse(asked, gone.signal.aborted ? 'aborted' : 'connect-timeout');
    return;
  }
  say(asked, clientAddress(peer), peer.remotePort ?? 0);
  session.note({ ip: clientAddress(peer) });
  const bytes = early();
  if (bytes.length > 0) peer.write(bytes);
  core.tunnel(socket, peer, { session, admission: asked.admission, bytesUp: bytes.length });
}

const say = ({ socket, shake }: Asked, ip: string, port: number): void =>
  void socket.write(shake.version === 4 ? reply4(90, ip, port) : reply5(0x00, ip, port));

/** A client that names its peer is judged by that name and takes nobody else; one that does not has each peer judged. */
async function peerCheck(asked: Asked, signal: AbortSignal): Promise<PeerCheck | { readonly failure: FailureReason }> {
  const { core, destination, session } = asked;
  const request = askedFor(asked, 'bind');
  if (destination.kind === 'ip' && (destination.ip === '0.0.0.0' || destination.ip === '::')) {
    if (!core.rules.mayUse(request)) return { failure: 'denied' };
    return (peer) => {
      const ip = clientAddress(peer);
      const port = request.port === 0 ? (peer.remotePort ?? 0) : request.port;
      const judged = core.rules.judge({ ...request, destination: { kind: 'ip', ip }, port, ip, own: false });
      return judged.verdict === 'allow' && core.followRule(asked.admission, judged.rule, request.client) === null;
    };
  }
  const first = core.preview(request);
  session.note({ rule: first.rule });
  if (first.verdict === 'deny') return { failure: first.reason ?? 'denied' };
  const located = await core.dialer.locate({ ...core.dialRequest(request, first, asked.admission), signal });
  if ('failure' in located) return located;
  // No parent waits for a peer on our behalf.
  if (located.via !== null) return { failure: 'denied' };
  if (first.logsOpen) session.announce();
  return (peer) => located.allowed.includes(clientAddress(peer));
}

function listen(host: string, port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, exclusive: true, backlog: 4 }, () => {
      server.off('error', reject);
      // What goes wrong with one that was accepted is its own affair.
      server.on('error', () => undefined);
      resolve(server);
    });
  });
}

/** Reads on, so that a client that goes away is heard; hands out what came. */
function keepEarly({ socket, shake }: Asked): () => Buffer {
  const chunks: Buffer[] = [shake.rest];
  let length = shake.rest.length;
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    length += chunk.length;
    if (length > mostEarlyBytes) socket.pause();
  };
  socket.on('data', onData);
  socket.resume();
  return () => {
    socket.off('data', onData);
    socket.pause();
    return Buffer.concat(chunks);
  };
}

function awaitPeer(
  server: Server,
  isExpected: PeerCheck,
  { core, options }: Asked,
  signal: AbortSignal,
): Promise<Socket | null> {
  return new Promise((resolve) => {
    const settle = (peer: Socket | null): void => {
      deadline.cancel();
      signal.removeEventListener('abort', onAbort);
      server.off('connection', onConnection);
      // A second one that was accepted in the same turn.
      server.on('connection', (late: Socket) => late.destroy());
      server.close();
      resolve(peer);
    };
    const onAbort = (): void => settle(null);
    const onConnection = (peer: Socket): void => {
      peer.on('error', () => undefined);
      if (isExpected(peer)) settle(peer);
      else peer.resetAndDestroy();
    };
    const deadline = options.clock.after(core.timeouts.bindMs, onAbort);
    server.on('connection', onConnection);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
  });
}
