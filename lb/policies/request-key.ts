// What the hash of a request is made of.

import type { HashKey } from './balance.ts';
import { hashOfText } from './mix.ts';

/** What of a request may bind it to a backend. Asked for only what the key says. */
export interface KeyedRequest {
  /** The client's address, in one spelling. */
  clientAddress(): string;
  /** Path and query as sent. */
  target(): string;
  /** Null where the request has none; names are lower case. */
  field(name: string): string | null;
  cookie(name: string): string | null;
}

/** 32 bits, the same in every worker and on every edge; null where the request lacks the key: then chance decides. */
export function hashOfRequest(key: HashKey, request: KeyedRequest): number | null {
  switch (key.by) {
    case 'client':
      return hashOfText(request.clientAddress());
    case 'uri':
      return hashOfText(uriPart(key, request.target()));
    case 'query':
      return hashOfNullable(queryValue(request.target(), key.name));
    case 'header':
      return hashOfNullable(request.field(key.name));
    case 'cookie':
      return hashOfNullable(request.cookie(key.name));
  }
}

const hashOfNullable = (text: string | null): number | null => (text === null || text === '' ? null : hashOfText(text));

function uriPart({ length, depth, whole }: HashKey & { readonly by: 'uri' }, target: string): string {
  const question = target.indexOf('?');
  const path = whole === true || question < 0 ? target : target.slice(0, question);
  const shallow = depth === undefined ? path : upToDepth(path, depth);
  return length === undefined ? shallow : shallow.slice(0, length);
}

/** HAProxy's count: each slash after the first begins a folder. */
function upToDepth(path: string, depth: number): string {
  let end = 0;
  for (let slashes = 0; slashes <= depth; slashes++) {
    end = path.indexOf('/', end + (slashes === 0 ? 0 : 1));
    if (end < 0) return path;
  }
  return path.slice(0, end);
}

/** As it stands in the target, not decoded: equal spellings meet. */
function queryValue(target: string, name: string): string | null {
  for (let at = target.indexOf('?'); at >= 0; at = target.indexOf('&', at + 1)) {
    if (!target.startsWith(name, at + 1) || target[at + 1 + name.length] !== '=') continue;
    const start = at + 2 + name.length;
    const end = target.indexOf('&', start);
    return end < 0 ? target.slice(start) : target.slice(start, end);
  }
  return null;
}
