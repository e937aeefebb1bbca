// HAProxy's words for balancing as policies of ours (specs/l7.md §1.6).

import { parseInteger, type ValueRejection } from '../label-values.ts';
import type { Balance, HashKey } from '../service-record.ts';

/** The value of HAPROXY_<n>_BALANCE. HAProxy's own mapping of `source` cannot be had: equal clients meet equal backends, no more. */
export function parseBalance(value: string): Balance | ValueRejection {
  const [word = '', ...more] = value.trim().split(/\s+/);
  const [, name = '', argument = ''] = /^([a-z_-]+)(?:\(([^)]*)\))?$/i.exec(word) ?? [];
  switch (name.toLowerCase()) {
    case 'roundrobin':
    case 'static-rr':
      return { policy: 'roundrobin' };
    case 'leastconn':
    case 'first':
      return { policy: name.toLowerCase() };
    case 'random': {
      const draws = parseInteger(argument);
      return { policy: 'random', ...(typeof draws === 'number' && draws > 0 ? { draws } : {}) };
    }
    case 'source':
      return hash({ by: 'client' });
    case 'uri':
      return hash(uriKey(more));
    case 'url_param':
      return more[0] === undefined ? unknown(value) : hash({ by: 'query', name: more[0] });
    case 'hdr':
      return argument === '' ? unknown(value) : hash({ by: 'header', name: argument.toLowerCase() });
    default:
      return unknown(value);
  }
}

const hash = (key: HashKey): Balance => ({ policy: 'hash', key });

const unknown = (value: string): ValueRejection => ({
  rejected: `"${value}" is not honoured, so it is round robin`,
  hint: 'roundrobin, leastconn, first, random, source, uri, url_param NAME or hdr(NAME)',
});

function uriKey(words: readonly string[]): HashKey {
  const number = (word: string): number | null => {
    const at = words.indexOf(word);
    const parsed = at < 0 ? null : parseInteger(words[at + 1] ?? '');
    return typeof parsed === 'number' ? parsed : null;
  };
  const [length, depth] = [number('len'), number('depth')];
  return {
    by: 'uri',
    ...(length === null ? {} : { length }),
    ...(depth === null ? {} : { depth }),
    ...(words.includes('whole') ? { whole: true } : {}),
  };
}
