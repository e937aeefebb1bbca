// The head that a backend gets: written anew from validated parts, with what the route's policy changes.

import type { CidrMatcher } from '../../src/runtime/index.ts';
import { fieldId, linesWithout, upgradeLines, type FieldList, type Peer, type RequestView } from '../http1/index.ts';
import { isGrpcType } from '../http2/index.ts';
import { certificateFields } from './client-certificate.ts';
import { appendedLines, dropsAppended, dropsTrusted, dropsUntrusted, forwardingLines } from './forwarding-fields.ts';
import type { RequestFlow } from './request-flow.ts';
import { cookiesWithout } from './sticky-cookie.ts';
import { traceIdOf } from './trace-context.ts';
import { viaLine } from './via.ts';

/** Of a request on its way: what its head is made of. */
export interface Outgoing {
  readonly exchange: { readonly request: RequestView; readonly peer: Peer };
  readonly requestId: string;
  readonly flow: RequestFlow | null;
  /** Its cookie is ours, and backends do not see it. */
  readonly route: { readonly service: { readonly sticky: { readonly cookie: string } | null } };
  readonly backend: { readonly key: string } | null;
}

/** Whose router it is. */
export interface HeadWriter {
  readonly trusted: CidrMatcher;
  /** Our name in Via; '': none is written. */
  readonly via: string;
}

export function upstreamHead(outgoing: Outgoing, { trusted, via }: HeadWriter, upgrade: boolean): string {
  const { exchange, requestId, flow, route } = outgoing;
  const { request, peer } = exchange;
  const appends = flow?.policy.appendsForwarded === true && !peer.trusted;
  const drops = peer.trusted ? dropsTrusted : appends ? dropsAppended : dropsUntrusted;
  const kept = request.fields.kept(drops, request.named);
  const told = appends ? appendedLines(request, peer) : forwardingLines(request, peer, trusted);
  const ours = via === '' ? '' : viaLine(request.version, via);
  const lines = `${kept}${told}X-Request-Id: ${requestId}\r\n${ours}`;
  const framing = framingLines(request, upgrade);
  const isPlain = flow === null && route.service.sticky === null && request.method !== 'OPTIONS';
  if (isPlain && traceIdOf(request.fields) !== null)
    return `${request.method} ${request.forwardTarget} HTTP/1.1\r\nHost: ${request.authority}\r\n${lines}${framing}\r\n`;
  return changedHead(outgoing, lines, framing);
}

function framingLines(request: RequestView, upgrade: boolean): string {
  const { chunked, contentLength } = request;
  const framing = chunked
    ? 'Transfer-Encoding: chunked\r\n'
    : contentLength >= 0
      ? `Content-Length: ${contentLength}\r\n`
      : '';
  if (upgrade) return framing + upgradeLines('websocket');
  const asks = hasTrailers(request.fields) && (chunked || isGrpcType(request.fields.get('content-type') ?? ''));
  return asks ? `${framing}TE: trailers\r\nConnection: TE\r\n` : framing;
}

/** Whether the client asks for trailers, which it says for this hop. */
function hasTrailers(fields: FieldList): boolean {
  const te = fields.valueOf(fieldId.te);
  return te !== null && /(?:^|,)\s*trailers\s*(?:,|$)/i.test(te);
}

const traceFields = ['traceparent', 'tracestate'];
const pathFields = ['x-forwarded-prefix', 'x-replaced-path'];

function changedHead(outgoing: Outgoing, lines: string, framing: string): string {
  const { flow } = outgoing;
  const { request } = outgoing.exchange;
  const cookie = outgoing.route.service.sticky?.cookie ?? null;
  const path = flow?.policy.path?.(request) ?? null;
  const changes = flow?.policy.requestHeaders ?? null;
  const gone = new Set([
    ...(traceIdOf(request.fields) === null ? traceFields : []),
    ...(path !== null && path.lines !== '' ? pathFields : []),
    ...(flow?.admitted?.gone ?? []),
    ...(cookie === null ? [] : ['cookie']),
    ...(changes?.gone ?? []),
  ]);
  const certificate = flow?.policy.certificate?.(outgoing.exchange.peer) ?? '';
  if (certificate !== '') for (const name of certificateFields) gone.add(name);
  const forwards = forwardsLeft(request);
  if (forwards !== '') gone.add('max-forwards');
  const more = flow === null ? '' : (flow.admitted?.lines ?? '') + (changes?.lines(flow.facts) ?? '');
  const cookies = cookie === null ? '' : cookiesWithout(request.fields, cookie);
  let all = linesWithout(lines, gone) + forwards + certificate + cookies + (path?.lines ?? '') + more;
  let host = hostFor(outgoing);
  if (changes !== null) {
    // A label may set Host, of which there is one, in the first line.
    const set = /^host: *(.*)\r\n/im.exec(more)?.[1];
    if (set !== undefined) [host, all] = [set, linesWithout(all, new Set(['host']))];
  }
  const raw = flow?.policy.rawPath === true ? request.rawTarget : undefined;
  const target = path?.target ?? raw ?? request.forwardTarget;
  return `${request.method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${all}${framing}\r\n`;
}

/** RFC 9110 §7.6.2: each hop takes one off; other methods do not mind the field. */
function forwardsLeft({ method, fields }: RequestView): string {
  const left = method === 'OPTIONS' ? fields.valueOf(fieldId.maxForwards) : null;
  return left !== null && /^[1-9]\d{0,8}$/.test(left) ? `Max-Forwards: ${Number(left) - 1}\r\n` : '';
}

function hostFor({ flow, exchange, backend }: Outgoing): string {
  const host = flow?.policy.host ?? null;
  if (host === null) return exchange.request.authority;
  return host === 'server' ? (backend?.key ?? '') : host.text;
}
