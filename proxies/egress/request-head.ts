// The head of a request as the origin gets it: rebuilt, with our Host, our framing, and nothing that was meant for this hop.

import { dropTable, fieldId, upgradeLines, type RequestView } from '../http1/index.ts';

const drops = dropTable([fieldId.host, fieldId.contentLength, fieldId.expect, fieldId.maxForwards]);

/**
 * The whole head. `authority` is made from the target, so a client's own Host field plays no part (RFC 9112 §3.2.2). `upgrade`: the
 * protocol that the origin may switch to, '' for none.
 */
export function originHead(request: RequestView, authority: string, pseudonym: string, upgrade: string): string {
  const { method, forwardTarget, contentLength, chunked, expectsContinue, fields, named } = request;
  let head = `${method} ${forwardTarget} HTTP/1.1\r\nHost: ${authority}\r\n${fields.kept(drops, named)}`;
  if (chunked) head += 'Transfer-Encoding: chunked\r\n';
  else if (contentLength >= 0) head += `Content-Length: ${contentLength}\r\n`;
  if (expectsContinue) head += 'Expect: 100-continue\r\n';
  const maxForwards = maxForwardsOf(request);
  if (maxForwards !== null) head += `Max-Forwards: ${method === 'OPTIONS' ? maxForwards - 1 : maxForwards}\r\n`;
  if (upgrade !== '') head += upgradeLines(upgrade);
  else if (takesTrailers(request)) head += 'TE: trailers\r\nConnection: TE\r\n';
  return `${head}Via: 1.1 ${pseudonym}\r\n\r\n`;
}

/** How far an OPTIONS may still go (RFC 9110 §7.6.2); null where nobody said, or not as a number. */
export function maxForwardsOf({ fields }: RequestView): number | null {
  const value = fields.valueOf(fieldId.maxForwards);
  return value !== null && /^\d{1,9}$/.test(value) ? Number(value) : null;
}

/** All that a TE field may ask of the next hop; codings are between neighbours (RFC 9110 §10.1.4). */
const takesTrailers = ({ fields }: RequestView): boolean =>
  /(^|,)[ \t]*trailers[ \t]*(,|$)/i.test(fields.valueOf(fieldId.te) ?? '');

/** Whether it may be sent again where a kept connection ended under it (RFC 9110 §9.2.2): nothing of a body has been read. */
export const isRepeatable = ({ method, contentLength, chunked }: RequestView): boolean =>
  contentLength <= 0 && !chunked && /^(GET|HEAD|OPTIONS|PUT|DELETE)$/.test(method);

/** Whether the request has passed through the proxy of this pseudonym (RFC 9110 §7.6.3). */
export function hasPassed({ fields }: RequestView, pseudonym: string): boolean {
  for (let i = fields.indexOf(fieldId.via); i >= 0; i = fields.indexOf(fieldId.via, i + 1)) {
    if (
      fields
        .value(i)
        .split(/[\s,]+/)
        .includes(pseudonym)
    )
      return true;
  }
  return false;
}
