// `HOST:FIRST-LAST`: a range of ports as the addresses that it stands for.

import { isMistake, type Mistake } from './mistake.ts';

const mostPorts = 1000;

/** What `parse` makes of each `HOST:PORT` of a range; a text with one port is a range of one. */
export function eachPort<T extends object>(text: string, parse: (text: string) => T | Mistake): readonly T[] | Mistake {
  const match = /^(.*:)(\d{1,5})-(\d{1,5})$/.exec(text);
  if (match === null) {
    const one = parse(text);
    return isMistake(one) ? one : [one];
  }
  const [, host = '', from, to] = match;
  const [first, last] = [Number(from), Number(to)];
  if (first < 1 || last < first || last > 65_535)
    return { wrong: 'has no range of ports', remedy: `write the lower port first, such as ${host}15210-15219` };
  if (last - first >= mostPorts)
    return { wrong: `is a range of ${last - first + 1} ports`, remedy: `write ranges of at most ${mostPorts}` };
  const parsed = Array.from({ length: last - first + 1 }, (_, i) => parse(`${host}${first + i}`));
  return parsed.find(isMistake) ?? (parsed as readonly T[]);
}
