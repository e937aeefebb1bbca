// Basic credentials (RFC 7617) out of a Proxy-Authorization field.

export interface BasicCredentials {
  readonly name: string;
  readonly password: string;
}

/** Null where the field is absent, of another scheme, or broken. */
export function parseBasic(value: string | null): BasicCredentials | null {
  const match = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(value ?? '');
  if (match === null) return null;
  const text = Buffer.from(match[1] ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 1 ? null : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
