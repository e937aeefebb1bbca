// Knows a client of HTTP/2 by how it begins (RFC 9113 §3.4), so that one listener can serve both.

const requestLine: Uint8Array = Buffer.from('PRI * HTTP/2.0\r\n', 'latin1');

/** Whether the bytes from `from` on begin with the preface's first line, which is no request of HTTP/1. */
export function isHttp2Preface(bytes: Buffer, from: number): boolean {
  if (bytes.length - from < requestLine.length) return false;
  for (let i = 0; i < requestLine.length; i++) if (bytes[from + i] !== requestLine[i]) return false;
  return true;
}
