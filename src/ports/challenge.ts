// Port: proves control over a name to a certificate authority (RFC 8555 §8).

export interface ChallengeResponder {
  readonly type: 'http-01' | 'tls-alpn-01' | 'dns-01';
  /** Makes the proof visible to the authority; when it resolves the authority may look. */
  present(host: string, token: string, keyAuthorization: string): Promise<void>;
  /** Takes it away again; harmless if it is not there. */
  withdraw(host: string, token: string): Promise<void>;
}
