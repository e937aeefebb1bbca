// Certificates from an authority (RFC 8555): what the store has is served at once, the rest is ordered, and all is renewed in time.

import type { CertificatePicture, CertificateSource, ChallengeResponder, Store } from '../../src/ports/index.ts';
import type { Clock, Logger, Metrics, Random } from '../../src/runtime/index.ts';
import type { Binding } from './account.ts';
import { createAuthority } from './authority.ts';
import { Issuer } from './issuer.ts';
import { createKept } from './kept.ts';
import type { AuthorityTls } from './transport.ts';
import { isAllowed, wantedCertificates } from './wanted.ts';

export interface AcmeOptions {
  /** URL of the authority's directory. */
  readonly directory: string;
  readonly tls?: AuthorityTls | undefined;
  readonly email: string | null;
  readonly binding: Binding | null;
  /** How control over a name is proven. */
  readonly responder: ChallengeResponder;
  readonly keyType: 'ecdsa' | 'rsa';
  /** `routed`: every host of a route; else names and `*.name`s that may be asked for. */
  readonly domains: 'routed' | readonly string[];
  /** Hosts of routes, asked again at each look. */
  readonly hosts: () => readonly string[];
  /** Which hosts certificates from elsewhere are for: none is ordered for them. */
  readonly coverage: () => (host: string) => boolean;
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly metrics: Metrics;
}

export interface AcmeSource extends CertificateSource {
  /** `hosts` are others now. */
  look(): void;
}

export function createAcmeSource(options: AcmeOptions): AcmeSource {
  const { directory, domains, keyType, responder, hosts, coverage, store } = options;
  let wake = (): void => undefined;
  let areRoutesKnown = false;
  const wanted = () => {
    const asked = hosts();
    areRoutesKnown ||= asked.length > 0;
    const mayWildcard = responder.type === 'dns-01';
    return areRoutesKnown
      ? wantedCertificates({ hosts: asked, domains, mayWildcard, keyType, isCovered: coverage() })
      : null;
  };
  const allowed = (name: string): boolean => isAllowed(name, domains);
  const kept = createKept(store, directory);
  const bell = createBell();
  const authority = createAuthority({ ...options, accountKey: kept.accountKey });
  const issuer = new Issuer({ ...options, authority, kept, wanted, isAllowed: allowed, onChange: () => bell.ring() });
  return {
    name: `acme ${authority.name}`,
    look: () => wake(),
    async *watch(signal) {
      await issuer.load();
      const first = issuer.picture();
      yield first;
      wake = () => issuer.look();
      signal.addEventListener('abort', () => bell.ring(), { once: true });
      const running = issuer.run(signal);
      let last = printOf(first, issuer.edition());
      while (!signal.aborted) {
        await bell.rung();
        const picture = issuer.picture();
        const print = printOf(picture, issuer.edition());
        if (print !== last && !signal.aborted) yield picture;
        last = print;
      }
      await running;
      await authority.close();
    },
  };
}

/** Whether two pictures are the same, without a look at every chain. */
const printOf = ({ entries, problems }: CertificatePicture, edition: number): string =>
  JSON.stringify([edition, entries.map(({ origin, renewAt }) => [origin, renewAt]), problems]);

interface Bell {
  ring(): void;
  /** Resolves when it was rung since the last time. */
  rung(): Promise<void>;
}

function createBell(): Bell {
  let isRung = false;
  let wake = (): void => undefined;
  return {
    ring() {
      isRung = true;
      wake();
    },
    async rung() {
      if (!isRung) await new Promise<void>((resolve) => (wake = resolve));
      isRung = false;
    },
  };
}
