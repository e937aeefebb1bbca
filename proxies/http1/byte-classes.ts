// Which octets may stand where in an HTTP/1 head, as tables: every byte of a head is looked up in one of them once.

const isTchar = (code: number): boolean => code < 0x80 && /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(code));

/** RFC 9110 §5.6.2 tchar: 1, and 3 for `_`, so that or-ing a name's bytes tells whether it has one; 0 for all else. */
export const tokenClass: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) =>
  code === 0x5f ? 3 : isTchar(code) ? 1 : 0,
);

/** RFC 9110 §5.5 field-vchar, blank and tab; obs-text is opaque and let through. */
export const isValueByte = table((code) => code === 0x09 || (code >= 0x20 && code !== 0x7f));

/** Methods are case-sensitive; no registered one has a lower-case letter, and a proxy that knew `get` would be alone. */
export const isMethodByte = table((code) => (code >= 0x41 && code <= 0x5a) || code === 0x2d || code === 0x5f);

/** Bits of `targetClass` besides 1: where one is seen in a target, the path may not be canonical, or a query follows. */
export const targetMark = { irregular: 2, query: 4 } as const;

/** Visible ASCII without `#`: RFC 3986 plus what browsers send unescaped (`[ ] | { }` …). 0 for all else. */
export const targetClass: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) => {
  if (code <= 0x20 || code >= 0x7f || code === 0x23) return 0;
  const char = String.fromCharCode(code);
  return 1 | ('%\\.'.includes(char) ? targetMark.irregular : 0) | (char === '?' ? targetMark.query : 0);
});

/** 0–15 for a hexadecimal digit, 255 for all else. */
export const hexValue: Uint8Array = Uint8Array.from({ length: 256 }, (_, code) => {
  const value = parseInt(String.fromCharCode(code), 16);
  return code < 0x80 && Number.isInteger(value) ? value : 255;
});

function table(holds: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => (holds(code) ? 1 : 0));
}
