// CONNECT: dial first, then say that it worked, then join both ends.

import { canonicalIp, type Dialed, type DialFailure, type Dialing } from '../access/index.ts';
import { askedFor, refuse, type Asked } from './asked.ts';
import { reply4, reply5 } from './messages.ts';

/** Without a promise: most of what a short session costs beyond its sockets is what waits for them. */
export function serveConnect(asked: Asked): void {
  const { core, socket, session } = asked;
  const request = askedFor(asked, 'connect');
  const first = core.preview(request);
  if (first.verdict === 'deny') {
    session.note({ rule: first.rule });
    refuse(asked, first.reason ?? 'denied');
    return;
  }
  if (first.logsOpen) {
    session.note({ rule: first.rule });
    session.announce();
  }
  let dialing: Dialing | null = null;
  const onClose = (): void => dialing?.cancel();
  socket.once('close', onClose);
  dialing = core.dialer.begin(core.dialRequest(request, first, asked.admission), (dialed) => {
    socket.off('close', onClose);
    try {
      finish(asked, dialed, first.rule);
    } catch (error) {
      asked.fault(error);
    }
  });
}

function finish(asked: Asked, dialed: Dialed | DialFailure, firstRule: number | null): void {
  const { core, socket, session, shake, admission } = asked;
  const { dnsMs, connectMs } = dialed;
  const times = { rule: dialed.rule ?? firstRule, dnsMs: Math.round(dnsMs), connectMs: Math.round(connectMs) };
  if ('failure' in dialed) {
    session.note(times);
    refuse(asked, dialed.failure);
    return;
  }
  const { socket: upstream, ip, parent } = dialed;
  session.note({ ...times, ip, route: parent ?? 'direct' });
  const bound = canonicalIp(upstream.localAddress ?? '') ?? '';
  socket.write(shake.version === 4 ? reply4(90) : reply5(0x00, bound, upstream.localPort ?? 0));
  if (shake.rest.length > 0) upstream.write(shake.rest);
  core.tunnel(socket, upstream, { session, admission, bytesUp: shake.rest.length });
}
