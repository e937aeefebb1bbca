// Credentials for masters and Marathons: what to send as Authorization. Asked before each request, so that a source whose tokens expire
// (a DC/OS service account) fits behind the same two questions.

export interface SourceAuth {
  readonly basic?: { readonly user: string; readonly password: string } | undefined;
  /** A DC/OS token, sent as `token=…`. */
  readonly token?: string | undefined;
  /** A DC/OS service account, which logs in for its tokens. */
  readonly dcos?: DcosAccount | undefined;
}

export interface DcosAccount {
  readonly uid: string;
  /** PEM. */
  readonly privateKey: string;
  /** URL of the login, such as `https://master.mesos/acs/api/v1/auth/login`. */
  readonly login: string;
}

export interface Credentials {
  /** Value of the Authorization header; null: send none. Never logged. */
  authorization(signal: AbortSignal): Promise<string | null>;
  /** The server answered 401. True: other credentials are there now, and one more try makes sense. */
  renew(signal: AbortSignal): Promise<boolean>;
}

export function createCredentials(auth: SourceAuth | undefined): Credentials {
  const header = headerOf(auth);
  return { authorization: () => Promise.resolve(header), renew: () => Promise.resolve(false) };
}

function headerOf(auth: SourceAuth | undefined): string | null {
  if (auth?.basic !== undefined) {
    return `Basic ${Buffer.from(`${auth.basic.user}:${auth.basic.password}`, 'utf8').toString('base64')}`;
  }
  return auth?.token === undefined ? null : `token=${auth.token}`;
}

/** PEM texts, and whether to trust whoever answers. */
export interface SourceTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** The same in the words of `node:tls`. */
export interface TlsFields {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly rejectUnauthorized: boolean;
}

export function tlsFields(tls: SourceTls | undefined): TlsFields {
  return {
    ...(tls?.ca === undefined ? {} : { ca: tls.ca }),
    ...(tls?.cert === undefined ? {} : { cert: tls.cert }),
    ...(tls?.key === undefined ? {} : { key: tls.key }),
    rejectUnauthorized: tls?.insecure !== true,
  };
}
