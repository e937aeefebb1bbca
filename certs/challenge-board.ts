// The board of proofs that certificate authorities come to look at (RFC 8555 §8.3, RFC 8737). Whoever orders a certificate pins them up;
// the router's listeners answer by them, in every worker.

import { createHash } from 'node:crypto';
import type { ChallengeResponder } from '../src/ports/index.ts';
import type { Clock } from '../src/runtime/index.ts';
import type { ChallengeSet } from './tls-material.ts';
import { makeCertificate } from './x509/index.ts';

export interface ChallengeBoard {
  readonly http01: ChallengeResponder;
  readonly tlsAlpn01: ChallengeResponder;
  current(): ChallengeSet;
}

export interface ChallengeBoardOptions {
  readonly clock: Clock;
  /** Tells the workers; resolves when all that are there answer by `set`. */
  readonly publish: (set: ChallengeSet) => Promise<void>;
}

const dayMs = 86_400_000;

export function createChallengeBoard({ clock, publish }: ChallengeBoardOptions): ChallengeBoard {
  const http = new Map<string, ChallengeSet['http'][number]>();
  const alpn = new Map<string, ChallengeSet['alpn'][number]>();
  const current = (): ChallengeSet => ({ http: [...http.values()], alpn: [...alpn.values()] });
  return {
    current,
    http01: {
      type: 'http-01',
      present(host, token, keyAuthorization) {
        http.set(`${host} ${token}`, { host, token, keyAuthorization });
        return publish(current());
      },
      withdraw: (host, token) => (http.delete(`${host} ${token}`) ? publish(current()) : Promise.resolve()),
    },
    tlsAlpn01: {
      type: 'tls-alpn-01',
      present(host, _token, keyAuthorization) {
        const made = makeCertificate({
          commonName: host,
          names: [host],
          notBefore: new Date(clock.now() - dayMs),
          notAfter: new Date(clock.now() + dayMs),
          acmeIdentifier: createHash('sha256').update(keyAuthorization).digest(),
        });
        alpn.set(host, { host, chain: made.certificate, key: made.key });
        return publish(current());
      },
      withdraw: (host) => (alpn.delete(host) ? publish(current()) : Promise.resolve()),
    },
  };
}
