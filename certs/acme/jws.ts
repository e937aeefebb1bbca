// Signed requests of ACME (RFC 8555 §6.2): an account's key, its name, and the envelope that every request but the first look travels in.

import {
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  sign,
  type KeyObject,
} from 'node:crypto';

export interface AccountKey {
  /** PKCS#8 PEM. Never logged, never shown. */
  readonly pem: string;
  readonly publicJwk: Readonly<Record<'crv' | 'kty' | 'x' | 'y', string>>;
  /** RFC 7638: stands in each key authorization. */
  readonly thumbprint: string;
  sign(bytes: Uint8Array): Buffer;
}

export interface Jws {
  readonly protected: string;
  readonly payload: string;
  readonly signature: string;
}

export const base64url = (bytes: Uint8Array | string): string => Buffer.from(bytes).toString('base64url');

/** A key of P-256: read from PEM, or a new one. Throws where the text is no such key. */
export function accountKey(pem: string | null = null): AccountKey {
  const key = pem === null ? generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey : createPrivateKey(pem);
  const { kty = '', crv = '', x = '', y = '' } = createPublicKey(key).export({ format: 'jwk' });
  if (crv !== 'P-256') throw new TypeError('the account key is not one of P-256');
  const publicJwk = { crv, kty, x, y };
  return {
    pem: key.export({ type: 'pkcs8', format: 'pem' }) as string,
    publicJwk,
    // The members in the order of their names, nothing between them: that is what is hashed.
    thumbprint: createHash('sha256').update(JSON.stringify(publicJwk)).digest('base64url'),
    sign: (bytes) => signES256(key, bytes),
  };
}

/** `kid`: the account's URL, or null where the key itself has to be shown. `payload` null: POST-as-GET (RFC 8555 §6.3). */
export function signRequest(
  key: AccountKey,
  { kid, nonce, url }: { readonly kid: string | null; readonly nonce: string; readonly url: string },
  payload: object | null,
): Jws {
  const who = kid === null ? { jwk: key.publicJwk } : { kid };
  return envelope({ alg: 'ES256', ...who, nonce, url }, payload, (bytes) => key.sign(bytes));
}

/** What binds an account to one that the authority knows already (RFC 8555 §7.3.4). `mac`: the key that it gave out, base64url. */
export function signBinding(key: AccountKey, kid: string, mac: string, url: string): Jws {
  const secret = Buffer.from(mac, 'base64url');
  return envelope({ alg: 'HS256', kid, url }, key.publicJwk, (bytes) =>
    createHmac('sha256', secret).update(bytes).digest(),
  );
}

function envelope(header: object, payload: object | null, signer: (bytes: Buffer) => Buffer): Jws {
  const head = base64url(JSON.stringify(header));
  const body = payload === null ? '' : base64url(JSON.stringify(payload));
  return { protected: head, payload: body, signature: base64url(signer(Buffer.from(`${head}.${body}`))) };
}

const signES256 = (key: KeyObject, bytes: Uint8Array): Buffer =>
  sign('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' });
