// Why a URL, name or VIP is answered as it is, or why a label gave nothing.

import type { ControlRoom } from '../control.ts';
import { json, problem, text, type Answer } from './answer.ts';
import type { AdminRequest } from './server.ts';

export function showExplanation(room: ControlRoom, request: AdminRequest): Answer {
  const explanation = explain(room, request.url.searchParams);
  if (typeof explanation === 'string') return problem(400, explanation);
  return request.wantsJson || request.url.searchParams.get('format') !== 'text'
    ? json(explanation)
    : text(`${explanation.lines.join('\n')}\n`);
}

function explain(room: ControlRoom, query: URLSearchParams): { readonly lines: readonly string[] } | string {
  if (room.pipeline.version < 0) return 'no complete picture of the cluster yet: nothing can be explained';
  const known = { ...room.pipeline.snapshot, whyJudged: room.health.why };
  const url = query.get('url');
  const name = query.get('dns');
  const vip = query.get('vip');
  if (url !== null) {
    const parsed = URL.parse(url.includes('://') ? url : `http://${url}`);
    if (parsed === null) return `"${url}" is no URL: write http://host/path`;
    return (
      room.explain.url(parsed, query.get('method') ?? 'GET', headersOf(query.getAll('header')), known) ??
      'no router is configured'
    );
  }
  if (name !== null) return room.explain.name(name, query.get('type') ?? 'A');
  if (vip !== null) return room.explain.vip(vip, known) ?? 'no vips are configured';
  return 'ask ?url=URL, ?dns=NAME&type=A or ?vip=NAME:PORT';
}

function headersOf(fields: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    fields.flatMap((field) => {
      const colon = field.indexOf(':');
      return colon < 1 ? [] : [[field.slice(0, colon).trim().toLowerCase(), field.slice(colon + 1).trim()]];
    }),
  );
}
