// CONNECT: dial first, then say that it worked, then join both ends.

import { canonicalIp } from '../access/index.ts';
import { askedFor, refuse, type Asked } from './asked.ts';
import { reply4, reply5 } from './messages.ts';

export async function serveConnect(asked: Asked): Promise<void> {
  const { core, socket, session, shake, admission } = asked;
  const request = askedFor(asked, 'connect');
  const first = core.preview(request);
  session.note({ rule: first.rule });
  if (first.verdict === 'deny') {
    refuse(asked, first.reason ?? 'denied');
    return;
  }
  if (first.logsOpen) session.announce();
  const gone = new AbortController();
  const onClose = (): void => gone.abort();
  socket.once('close', onClose);
  const dialed = await core.dialer.dial(core.dialRequest(request, first, gone.signal));
  socket.off('close', onClose);
  const { dnsMs, connectMs } = dialed;
  session.note({ rule: dialed.rule ?? first.rule, dnsMs: Math.round(dnsMs), connectMs: Math.round(connectMs) });
  if ('failure' in dialed) {
    refuse(asked, dialed.failure);
    return;
  }
  const { socket: upstream, ip, parent } = dialed;
  session.note({ ip, route: parent ?? 'direct' });
  const bound = canonicalIp(upstream.localAddress ?? '') ?? '';
  socket.write(shake.version === 4 ? reply4(90) : reply5(0x00, bound, upstream.localPort ?? 0));
  if (shake.rest.length > 0) upstream.write(shake.rest);
  core.tunnel(socket, upstream, { session, admission, bytesUp: shake.rest.length });
}
