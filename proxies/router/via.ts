// Via: by whom a request came (RFC 9110 §7.6.3), and whether it goes round in a circle. Written where the configuration gives us a name.

import { fieldId, type FieldList } from '../http1/index.ts';

/** More than so many times through ourselves is a circle (specs/l7.md §3.3). */
const mostPasses = 10;

export function hasLooped(fields: FieldList, name: string): boolean {
  let passes = 0;
  for (let i = fields.indexOf(fieldId.via); i >= 0; i = fields.indexOf(fieldId.via, i + 1))
    for (const hop of fields.value(i).split(',')) if (hop.trim().split(/\s+/)[1] === name) passes++;
  return passes > mostPasses;
}

/** `version` as in `RequestView`. The line comes behind those of others, as hops do. */
export const viaLine = (version: number, name: string): string =>
  `Via: ${version === 20 ? '2.0' : `1.${version - 10}`} ${name}\r\n`;
