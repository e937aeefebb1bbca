// Sends the material for TLS to one worker: each certificate once, a few at a time, then the order in which they are served.

import type { ServedCertificate, TlsMaterial } from '../../certs/index.ts';
import type { Channel } from './channel.ts';
import type { ControlMessage, WorkerMessage } from './message.ts';

/** Parsed in one turn of a worker. */
const certificatesPerMessage = 50;

export interface TlsSender {
  send(version: number, material: TlsMaterial): void;
}

export function createTlsSender(channel: Channel<ControlMessage, WorkerMessage>): TlsSender {
  let sent = new Set<string>();
  return {
    send(version, { certificates, fallback, ...rest }) {
      const all = fallback === null ? certificates : [...certificates, fallback];
      const fresh = all.filter(({ id }) => !sent.has(id));
      for (let start = 0; start < fresh.length; start += certificatesPerMessage)
        channel.send({ type: 'certificates', certificates: fresh.slice(start, start + certificatesPerMessage) });
      sent = new Set(all.map(({ id }) => id));
      const order = certificates.map(({ id }) => id);
      channel.send({ type: 'tls', version, order, fallback: fallback?.id ?? null, ...rest });
    },
  };
}

export interface TlsReceiver {
  take(message: Extract<ControlMessage, { readonly type: 'certificates' | 'tls' }>): TlsMaterial | null;
}

/** The other end: null until an order comes. */
export function createTlsReceiver(): TlsReceiver {
  let held = new Map<string, ServedCertificate>();
  return {
    take(message) {
      if (message.type === 'certificates') {
        for (const certificate of message.certificates) held.set(certificate.id, certificate);
        return null;
      }
      const { order, fallback, ticketKeys, challenges, staples = {} } = message;
      const certificates = order.flatMap((id) => held.get(id) ?? []);
      const last = fallback === null ? null : (held.get(fallback) ?? null);
      held = new Map([...certificates, ...(last === null ? [] : [last])].map((one) => [one.id, one]));
      return { certificates, fallback: last, ticketKeys, challenges, staples };
    },
  };
}
