// How we present ourselves to whom we call: `auth` and `tls` of a cluster source, a parent of the store, an authority.

import { checked, defaulted, flag, optional, section, text, type Field, word } from './field.ts';
import type { FileFields } from './file-fields.ts';
import type { Secret } from './secret.ts';
import { parseHttpUrl } from './url.ts';

export type ClientAuth =
  | { readonly kind: 'basic'; readonly user: string; readonly password: Secret }
  /** A DC/OS service account: PEM of its private key, and the URL to log in at. */
  | { readonly kind: 'dcos'; readonly uid: string; readonly privateKey: Secret; readonly login: string }
  | { readonly kind: 'token'; readonly token: Secret };

/** Files are absolute paths to PEM. */
export interface ClientTls {
  readonly ca: string | null;
  readonly cert: string | null;
  readonly key: string | null;
  /** True: whoever answers is believed. */
  readonly insecure: boolean;
}

/** Exactly one of `basic`, `dcos` and `token`; absent is null. */
export function authField({ secret }: FileFields): Field<ClientAuth | null> {
  const kinds = section({
    basic: optional(section({ user: word, password: secret }), null),
    dcos: optional(
      section({ uid: word, privateKey: secret, login: text(parseHttpUrl, 'the URL of /acs/api/v1/auth/login') }),
      null,
    ),
    token: optional(secret, null),
  });
  const one = checked(kinds, 'all', ({ basic, dcos, token }, fail) => {
    if ([basic, dcos, token].filter((kind) => kind !== null).length === 1) return;
    fail([], {
      wrong: 'names no way to authenticate, or several',
      remedy: 'write one of basic: {…}, dcos: {…} and token: …',
    });
  });
  return optional(
    one.transform(({ basic, dcos, token }): ClientAuth | null => {
      if (basic !== null) return { kind: 'basic', ...basic };
      if (dcos !== null) return { kind: 'dcos', ...dcos };
      return token === null ? null : { kind: 'token', token };
    }),
    null,
  );
}

export function tlsField({ file }: FileFields): Field<ClientTls | null> {
  const files = section({
    ca: optional(file, null),
    cert: optional(file, null),
    key: optional(file, null),
    insecure: defaulted(flag, false),
  });
  const whole = checked(files, ['cert', 'key'], ({ cert, key }, fail) => {
    if ((cert === null) === (key === null)) return;
    fail([cert === null ? 'key' : 'cert'], {
      wrong: `stands without ${cert === null ? 'cert' : 'key'}`,
      remedy: 'give cert and key together',
    });
  });
  return optional(whole, null);
}
