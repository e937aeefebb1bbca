// What records ask for and this version does not do, counted as they come and go, so that it is said and not guessed.

import { parseBreakerExpression } from './breaker-expression.ts';
import type { RouteRecord } from './route-record.ts';

export interface NotDone {
  /** A record came (1) or went (-1). */
  count(record: RouteRecord | undefined, by: 1 | -1): void;
  /** One line a kind. */
  problems(): readonly string[];
}

export function countNotDone(): NotDone {
  const counts = new Map<string, number>();
  return {
    count(record, by) {
      for (const what of record === undefined ? [] : askedInVain(record)) {
        const count = (counts.get(what) ?? 0) + by;
        if (count > 0) counts.set(what, count);
        else counts.delete(what);
      }
    },
    problems: () =>
      [...counts].sort().map(([what, count]) => `${what}: asked for by ${count}, not done by this version`),
  };
}

function askedInVain(record: RouteRecord): readonly string[] {
  const asked: (string | false)[] = [];
  if (record.kind === 'service')
    asked.push(
      record.sendProxy !== undefined && isTls(record.protocol) && 'PROXY headers before TLS to back ends',
      record.breaker !== undefined &&
        parseBreakerExpression(record.breaker.expression) === null &&
        'a circuit breaker by an expression of its own',
    );
  return asked.filter((what) => what !== false);
}

const isTls = (protocol: string | undefined): boolean => protocol === 'https' || protocol === 'h2';
