// Fields set, added and taken away on the way to the backend and back, as labels ask (specs/l7.md §1.6, §2.2).

import { fieldId, identifyField } from '../http1/index.ts';
import type { HeaderChange } from './options-record.ts';
import { hostOf, type RequestFacts } from './request-facts.ts';

/** Framing is ours alone, whatever a label says. */
const untouchable: ReadonlySet<number> = new Set([
  fieldId.connection,
  fieldId.contentLength,
  fieldId.transferEncoding,
  fieldId.upgrade,
  fieldId.te,
  fieldId.trailer,
  fieldId.keepAlive,
  fieldId.proxyConnection,
]);

const isName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

export interface CompiledChanges {
  /** Lower case: fields that are there already go, for `set` and `delete`. */
  readonly gone: ReadonlySet<string>;
  /** What is added, each line with its CRLF. */
  lines(facts: RequestFacts): string;
}

/** In order: a later change of a name sees what earlier ones left. Null where nothing is left to do. */
export function compileChanges(changes: readonly HeaderChange[] | undefined): CompiledChanges | null {
  const gone = new Set<string>();
  let kept: HeaderChange[] = [];
  for (const change of changes ?? []) {
    const name = change.name.toLowerCase();
    const bytes = Buffer.from(change.name, 'latin1');
    if (!isName.test(change.name) || untouchable.has(identifyField(bytes, 0, bytes.length))) continue;
    if (change.change !== 'add') {
      gone.add(name);
      kept = kept.filter((other) => other.name.toLowerCase() !== name);
    }
    if (change.change !== 'delete') kept.push(change);
  }
  if (gone.size === 0 && kept.length === 0) return null;
  const parts = kept.map(({ name, value, variable }) =>
    variable === undefined ? () => `${name}: ${oneLine(value)}\r\n` : lineOf(name, variable),
  );
  return { gone, lines: (facts) => parts.map((part) => part(facts)).join('') };
}

function lineOf(name: string, variable: NonNullable<HeaderChange['variable']>): (facts: RequestFacts) => string {
  switch (variable) {
    case 'client-address':
      return ({ client }) => `${name}: ${client}\r\n`;
    case 'local-port':
      return ({ peer }) => `${name}: ${peer.localPort}\r\n`;
    case 'scheme':
      return ({ secure }) => `${name}: ${secure ? 'https' : 'http'}\r\n`;
    case 'host':
      return ({ request }) => `${name}: ${hostOf(request.authority)}\r\n`;
  }
}

/** A label's line end would begin a field, or a request, of its own. */
const oneLine = (value: string): string => value.replace(/[\r\n\0]+/g, ' ').replace(/[^\t\x20-\x7e\x80-\xff]/g, '?');
