// From sockets that were bound somewhere to the listeners that functions take.

import { bindTcp, bindUdp, inheritTcp, inheritUdp, type TcpListener, type UdpListener } from '../runtime/index.ts';
import type { InheritedSocket } from './child-message.ts';
import type { BoundPlan, ListenerPlan } from './sockets.ts';

/** A bound socket as listener: one of the two, by the plan's kind. */
export interface ReadySocket extends BoundPlan {
  readonly tcp: TcpListener | null;
  readonly udp: UdpListener | null;
}

export function inheritSocket(socket: InheritedSocket): Pick<ReadySocket, 'tcp' | 'udp'> {
  const { fd, host, boundPort } = socket;
  if (fd === null) return { tcp: null, udp: null };
  return socket.kind === 'tcp'
    ? { tcp: inheritTcp(fd, host, boundPort), udp: null }
    : { tcp: null, udp: inheritUdp(fd, host, boundPort) };
}

/** Binds for a daemon that is one process. */
export async function openSocket(plan: ListenerPlan, port: number): Promise<ReadySocket & { close(): void }> {
  if (plan.kind === 'udp') {
    const udp = await bindUdp(plan.host, port);
    return {
      ...plan,
      boundPort: udp.port,
      tcp: null,
      udp,
      close: () => void udp.open().then((socket) => socket.close()),
    };
  }
  const tcp = bindTcp(plan.host, port);
  return { ...plan, boundPort: tcp.port, tcp, udp: null, close: () => tcp.close() };
}
