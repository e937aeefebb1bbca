// Whether an upstream's reply can be passed on: every name in it leads back and ends, and all data that we know fits its type. What a
// client's decoder would stumble over is the same as no answer.

import { decodeName, decodeRdata, layoutOf, rrType, type Layout } from '../wire/index.ts';

/** Where the records stand, all of them checked; null for a reply with anything malformed in it. */
export function checkedLayout(bytes: Buffer): Layout | null {
  const layout = layoutOf(bytes);
  if (layout === null) return null;
  const isWhole = layout.records.every(
    ({ start, fixed, end, type }) => decodeName(bytes, start)?.end === fixed && fits(bytes, type, fixed + 10, end),
  );
  return isWhole && hasProperOpt(layout) ? layout : null;
}

/** At most one, among the additional records (RFC 6891 §6.1.1): there it is taken out, elsewhere it would be passed on. */
function hasProperOpt({ records }: Layout): boolean {
  const opts = records.filter(({ type }) => type === rrType.OPT);
  return opts.length === 0 || (opts.length === 1 && opts[0]?.section === 'additional');
}

function fits(bytes: Buffer, type: number, start: number, end: number): boolean {
  if (type === rrType.MX) return end - start > 2 && decodeName(bytes, start + 2)?.end === end;
  return decodeRdata(bytes, type, start, end) !== null;
}
