// The value of HAPROXY_<n>_AUTH.

import { hasControl, type ValueRejection } from '../label-values.ts';

export interface LabelUser {
  readonly realm: string;
  readonly user: string;
  readonly hash: string;
}

/** `realm:user:hash`; the hash may have colons. The rejection never quotes it. */
export function parseAuth(text: string): LabelUser | ValueRejection {
  const [, realm = '', user = '', hash = ''] = /^([^:]+):([^:]+):(.+)$/s.exec(text.trim()) ?? [];
  if (hash === '' || hasControl(text) || realm.includes('"'))
    return { rejected: 'is not realm:user:hash', hint: 'three parts between colons, the last one a crypt(3) hash' };
  return { realm, user, hash };
}
