// Port: names to addresses for those that dial (SOCKS, HTTP proxy, forwards): own zones from memory, the rest by the daemon's forwarder.

export interface Resolution {
  /** IPv4 and IPv6 in the order of the answer; empty where the name exists without addresses. */
  readonly addresses: readonly string[];
  /** True where the answer came from a zone of our own. */
  readonly own: boolean;
  /** Names that the one asked stood for on the way to the addresses, canonical; absent: none. */
  readonly aliases?: readonly string[];
}

export interface ResolutionFailure {
  readonly failure: 'nonexistent' | 'timeout' | 'unavailable' | 'invalid';
  /** One line for a log. */
  readonly reason: string;
}

export interface Resolver {
  /** Answers from memory without waiting; undefined where the name is not in an own zone. `name` is canonical: lower case, no trailing dot. */
  lookup(name: string): Resolution | ResolutionFailure | undefined;
  /** As `lookup`, then asks upstream. Never sends a name of an own zone upstream. Settles within its own deadline; never rejects. */
  resolve(name: string, signal: AbortSignal): Promise<Resolution | ResolutionFailure>;
}
