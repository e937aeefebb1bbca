// Port: a source of certificates. Sources are merged into one set, which is replaced whole.

export interface CertificateEntry {
  /** Where it came from, for people: a path, or the app and label. */
  readonly origin: string;
  /** PEM: leaf first, then what is needed to reach a root. */
  readonly chain: string;
  /** PEM. Never logged, never shown. */
  readonly key: string;
  /** The source vouches for the chain: there is no certificate missing that clients would need. */
  readonly isWhole?: boolean;
  /** Epoch milliseconds: its source has another one by then. Absent: a person does that. */
  readonly renewAt?: number;
}

export interface CertificateProblem {
  readonly origin: string;
  readonly reason: string;
  readonly hint: string;
}

export interface CertificatePicture {
  readonly entries: readonly CertificateEntry[];
  readonly problems: readonly CertificateProblem[];
}

export interface CertificateSource {
  readonly name: string;
  /** The whole of what the source has, at once and again after each change; a bad file is a problem, not an end. Ends with `signal`. */
  watch(signal: AbortSignal): AsyncIterable<CertificatePicture>;
}
