// What the workers need to speak TLS, as plain JSON: made in control, sent over the channel of its own that nothing else reads. Keys stand
// in it: it is never logged, printed or shown.

/** A certificate that was checked, with its key. */
export interface ServedCertificate {
  /** Names this very chain and key; nobody can guess a key from it. */
  readonly id: string;
  /** As the certificate has them, lower-cased: `a.example`, `*.a.example`. The first is its name for people. */
  readonly names: readonly string[];
  readonly keyType: 'ec' | 'rsa' | 'other';
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** PEM, leaf first. */
  readonly chain: string;
  /** PEM. */
  readonly key: string;
  /** Where it came from, as in `CertificateEntry`. Absent: nobody names it by that. */
  readonly origin?: string;
}

/** Proofs for certificate authorities that are wanted now. */
export interface ChallengeSet {
  readonly http: readonly { readonly host: string; readonly token: string; readonly keyAuthorization: string }[];
  /** Served to those who offer `acme-tls/1` alone. PEM. */
  readonly alpn: readonly { readonly host: string; readonly chain: string; readonly key: string }[];
}

export interface TlsMaterial {
  /** In the order of sources; the first is the default. */
  readonly certificates: readonly ServedCertificate[];
  /** Signs itself: what answers where there is no other. */
  readonly fallback: ServedCertificate | null;
  /** 48 octets, base64: the same in all workers, changed in all at once. */
  readonly ticketKeys: string;
  readonly challenges: ChallengeSet;
  /** Answers of OCSP responders by the certificate's id: DER, base64. Absent: there are none. */
  readonly staples?: Readonly<Record<string, string>>;
}

export const noChallenges: ChallengeSet = { http: [], alpn: [] };
