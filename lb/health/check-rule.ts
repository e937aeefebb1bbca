// How a backend is looked after by a check of our own, as labels ask for it.

/** Plain JSON. */
export interface CheckRule {
  /** `tcp`: a connection comes about. `http`: the answer has an expected status. `udp`: the port is not reported closed. */
  readonly kind: 'tcp' | 'http' | 'udp';
  /** Of `http`: over TLS, whose certificate is not verified. */
  readonly secure?: boolean;
  /** Of `http`: by HTTP/2, where nothing else is understood; without TLS by prior knowledge. */
  readonly http2?: boolean;
  /** Absent: GET. */
  readonly method?: string;
  /** Absent: `/`. */
  readonly path?: string;
  /** Host field; absent: the address. */
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly intervalMs: number;
  /** Absent: the interval, 5 s at most. */
  readonly timeoutMs?: number;
  /** Failures in a row that take a backend out; absent: 3. */
  readonly fall?: number;
  /** Passes in a row that bring it back; absent: 2. */
  readonly rise?: number;
  /** Absent: 200 to 399. */
  readonly expectedStatus?: readonly (readonly [from: number, to: number])[];
}

const longestTimeoutMs = 5_000;

export const timeoutOf = ({ timeoutMs, intervalMs }: CheckRule): number =>
  timeoutMs ?? Math.min(intervalMs, longestTimeoutMs);

/** What is done where nobody said how: whether the port takes connections. */
export const plainCheck: CheckRule = { kind: 'tcp', intervalMs: 5_000, timeoutMs: 3_000 };
