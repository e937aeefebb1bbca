// The head that a backend gets: written anew from validated parts, with what the route's policy changes.

import type { CidrMatcher } from '../../src/runtime/index.ts';
import { fieldId, linesWithout, upgradeLines, type FieldList, type Peer, type RequestView } from '../http1/index.ts';
import { dropsTrusted, dropsUntrusted, forwardingLines } from './forwarding-fields.ts';
import type { RequestFlow } from './request-flow.ts';
import { cookiesWithout } from './sticky-cookie.ts';
import { traceIdOf } from './trace-context.ts';

export interface HeadOptions {
  readonly request: RequestView;
  readonly peer: Peer;
  readonly trusted: CidrMatcher;
  readonly requestId: string;
  readonly upgrade: boolean;
  readonly flow: RequestFlow | null;
  /** Our cookie, which backends do not see; null where there is none. */
  readonly cookie: string | null;
  /** `host:port` of the backend. */
  readonly backend: string;
}

export function upstreamHead(options: HeadOptions): string {
  const { request, peer, trusted, requestId, flow, cookie } = options;
  const drops = peer.trusted ? dropsTrusted : dropsUntrusted;
  const kept = request.fields.kept(drops, request.named);
  const lines = `${kept}${forwardingLines(request, peer, trusted)}X-Request-Id: ${requestId}\r\n`;
  const framing = framingLines(request, options.upgrade);
  if (flow === null && cookie === null && traceIdOf(request.fields) !== null)
    return `${request.method} ${request.forwardTarget} HTTP/1.1\r\nHost: ${request.authority}\r\n${lines}${framing}\r\n`;
  return changedHead(options, lines, framing);
}

function framingLines(request: RequestView, upgrade: boolean): string {
  const { chunked, contentLength } = request;
  const framing = chunked
    ? 'Transfer-Encoding: chunked\r\n'
    : contentLength >= 0
      ? `Content-Length: ${contentLength}\r\n`
      : '';
  if (upgrade) return framing + upgradeLines('websocket');
  return chunked && hasTrailers(request.fields) ? `${framing}TE: trailers\r\nConnection: TE\r\n` : framing;
}

/** Whether the client asks for trailers, which it says for this hop. */
function hasTrailers(fields: FieldList): boolean {
  const te = fields.valueOf(fieldId.te);
  return te !== null && /(?:^|,)\s*trailers\s*(?:,|$)/i.test(te);
}

const traceFields = ['traceparent', 'tracestate'];
const pathFields = ['x-forwarded-prefix', 'x-replaced-path'];

function changedHead(options: HeadOptions, lines: string, framing: string): string {
  const { request, flow, cookie } = options;
  const path = flow?.policy.path?.(request) ?? null;
  const changes = flow?.policy.requestHeaders ?? null;
  const gone = new Set([
    ...(traceIdOf(request.fields) === null ? traceFields : []),
    ...(path !== null && path.lines !== '' ? pathFields : []),
    ...(flow?.admitted?.gone ?? []),
    ...(cookie === null ? [] : ['cookie']),
    ...(changes?.gone ?? []),
  ]);
  const more = flow === null ? '' : (flow.admitted?.lines ?? '') + (changes?.lines(flow.facts) ?? '');
  const cookies = cookie === null ? '' : cookiesWithout(request.fields, cookie);
  let all = linesWithout(lines, gone) + cookies + (path?.lines ?? '') + more;
  let host = hostFor(options);
  if (changes !== null) {
    // A label may set Host, of which there is one, in the first line.
    const set = /^host: *(.*)\r\n/im.exec(more)?.[1];
    if (set !== undefined) [host, all] = [set, linesWithout(all, new Set(['host']))];
  }
  const target = path?.target ?? request.forwardTarget;
  return `${request.method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${all}${framing}\r\n`;
}

function hostFor({ flow, request, backend }: HeadOptions): string {
  const host = flow?.policy.host ?? null;
  if (host === null) return request.authority;
  return host === 'server' ? backend : host.text;
}
