// What HTTP/1.1's fuzzing starts from: requests as they should be, and those that somebody would send to be taken for two.

import type { Random } from '../../src/runtime/index.ts';
import { below } from './mutation.ts';

export const tokenOf = (random: Random): string =>
  `t${Array.from({ length: 12 }, () => '0123456789abcdef'[below(random, 16)]).join('')}`;

/** The first of the seeds are requests as they should be. */
export const wellFormed = 4;

export function seedsOf(token: string): readonly Buffer[] {
  const head = (method: string, ...lines: readonly string[]): string =>
    [`${method} /${token} HTTP/1.1`, 'Host: fuzz.example', ...lines, '', ''].join('\r\n');
  const smuggled = `GET /${token} HTTP/1.1\r\nHost: fuzz.example\r\nX-Secret: smuggled\r\n\r\n`;
  return [
    head('GET'),
    `${head('POST', 'Content-Length: 5')}hello`,
    `${head('POST', 'Transfer-Encoding: chunked')}5\r\nhello\r\n0\r\n\r\n`,
    head('HEAD', 'Connection: keep-alive'),
    head('GET', 'Connection: close'),
    head('GET', 'Connection: x-secret, x-forwarded-for', 'X-Secret: a', 'X-Forwarded-For: 6.6.6.6'),
    head('GET', 'X_Forwarded_For: 6.6.6.6', 'Forwarded: for=6.6.6.6', 'X-Real-IP: 6.6.6.6', 'Proxy: http://evil'),
    head('GET', 'X-Forwarded-Proto: https', 'X-Original-URL: /admin', 'X-Request-Id: forged', 'Keep-Alive: 5'),
    `${head('POST', 'Content-Length: 5', 'Transfer-Encoding: chunked')}0\r\n\r\n${smuggled}`,
    `${head('POST', `Content-Length: ${smuggled.length}`)}${smuggled}`,
    `${head('POST', 'Content-Length: 5', 'Content-Length: 6')}hello`,
    `${head('POST', 'Transfer-Encoding: xchunked')}0\r\n\r\n${smuggled}`,
    `${head('POST', 'Transfer-Encoding: chunked', 'Transfer-Encoding: identity')}0\r\n\r\n${smuggled}`,
    `${head('POST', 'Transfer-Encoding : chunked')}0\r\n\r\n${smuggled}`,
    `${head('PUT', 'Expect: 100-continue', 'Content-Length: 3')}abc`,
    head('GET', 'Upgrade: h2c', 'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA', 'Connection: Upgrade, HTTP2-Settings'),
    head('GET', 'Upgrade: websocket', 'Connection: Upgrade', 'Sec-WebSocket-Key: x'),
    head('OPTIONS', 'X-A: b', ' folded'),
    `GET http://fuzz.example/${token} HTTP/1.0\r\n\r\n`,
    `CONNECT fuzz.example:80 HTTP/1.1\r\nHost: fuzz.example\r\n\r\n`,
    `${head('POST', 'Transfer-Encoding: chunked')}5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n`,
    `${head('POST', 'Transfer-Encoding: chunked', 'TE: trailers', 'Connection: TE')}0\r\nContent-Length: 9\r\n\r\n`,
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  ].map((text) => Buffer.from(text, 'latin1'));
}
