// UDP ASSOCIATE: the client's datagrams go out from here, as far as the rules allow, and answers come back to it alone. An association lives
// as long as its TCP connection and while something passes.

import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { Association } from './association.ts';
import { refuse, type Asked } from './asked.ts';
import { reply5 } from './messages.ts';
import { openOn, relayAddress } from './relay-address.ts';
import { openUdp } from './udp-socket.ts';

export async function serveUdp(asked: Asked): Promise<void> {
  const { core, options, session, socket, shake, address } = asked;
  const asking = { client: address, user: shake.user, command: 'udp' } as const;
  if (!core.rules.mayUse(asking)) {
    refuse(asked, 'denied');
    return;
  }
  const place = relayAddress(asked);
  const inner = await openOn(place, options.portRange ?? null, options.random, openUdp);
  if (inner === null || socket.destroyed) {
    if (inner !== null) inner.close();
    refuse(asked, inner === null ? 'limit' : 'aborted');
    return;
  }
  const { port } = inner.address();
  session.note({ bound: port });
  socket.write(reply5(0x00, place.told, port));
  run(asked, inner);
}

/** Until the TCP connection ends, or nothing passes for `udpMs`. */
function run(asked: Asked, inner: UdpSocket): void {
  const { core, options, session, socket, admission } = asked;
  const association = new Association(asked, inner);
  inner.on('message', (bytes: Buffer, from: RemoteInfo) => association.onClient(bytes, from));
  let ended = false;
  const end = (reason: 'finished' | 'idle' | 'downstream-reset'): void => {
    if (ended) return;
    ended = true;
    timer.cancel();
    association.close();
    admission.release();
    const { bytesUp, bytesDown } = association;
    session.end({ verdict: 'allow', reason, bytesUp, bytesDown });
    if (reason === 'downstream-reset') socket.destroy();
    else socket.destroySoon();
  };
  const look = (): void => {
    const quietMs = options.clock.monotonic() - association.movedAt;
    if (quietMs >= core.timeouts.udpMs) end('idle');
    else timer = options.clock.after(core.timeouts.udpMs - quietMs, look);
  };
  let timer = options.clock.after(core.timeouts.udpMs, look);
  // Nothing is said on this connection any more; reading tells when it ends.
  socket.on('data', () => undefined);
  socket.once('end', () => end('finished'));
  socket.once('close', () => end('downstream-reset'));
  socket.resume();
}
