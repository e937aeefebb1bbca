// Labels that replace a template of HAProxy text: what of them means something here, and what ignoring the rest would open (specs/l7.md §1.6).
// A template equal to Marathon-LB's own consists of fragments that are known, so that it passes without a word.

import type { AclRouting } from './acl-template.ts';
import { readAcl } from './acl-template.ts';
import { FragmentReader, type Fragments } from './haproxy-fragments.ts';
import { aclTemplates, fragmentTemplates } from './haproxy-names.ts';
import type { LabelReader } from './label-reader.ts';
import type { LabelRules } from './label-rules.ts';
import { parseAuth } from './auth-label.ts';
import { isRejection } from '../label-values.ts';

export interface Templates extends Fragments {
  /** Keys whose text is not understood and might restrict access: the vhost gets no route. */
  readonly closed: readonly string[];
  /** Instead of the vhost's hosts and paths, for each listener; absent: as they are. */
  readonly routing: Readonly<Partial<Record<'http' | 'https', AclRouting>>>;
}

export function readTemplates(reader: LabelReader, prefix: string, rules: LabelRules): Templates {
  const fragments = new FragmentReader();
  const closed: string[] = [];
  const unsafe = rules.allowUnsafeTemplates;
  const close = (key: string, reason: string, hint: string): void => {
    closed.push(key);
    reader.report(key, 'error', unsafe ? reason : `${reason}, so the vhost gets no route`, hint);
  };
  const auth = reader.get(`${prefix}AUTH`);
  const parsed = auth === undefined ? null : parseAuth(auth);
  if (isRejection(parsed)) close(`${prefix}AUTH`, parsed.rejected, parsed.hint);
  for (const [suffix, severity] of fragmentTemplates) {
    const key = `${prefix}${suffix}`;
    const text = reader.get(key);
    if (text === undefined) continue;
    const left = fragments.read(suffix, text);
    if (left.length === 0) continue;
    const reason = `holds HAProxy text that means nothing here: ${left.join(' | ')}`;
    const opens =
      severity === 'error' || left.some((line) => /\b(acl|deny|auth|verify|reject|silent-drop|tarpit)\b/.test(line));
    if (opens) close(key, reason, 'remove it, or say the same with labels of this list');
    else reader.report(key, 'warn', reason, 'the port is served without it');
  }
  const routing: Partial<Record<'http' | 'https', AclRouting>> = {};
  for (const suffix of aclTemplates) {
    const key = `${prefix}${suffix}`;
    const text = reader.get(key);
    if (text === undefined) continue;
    const read = readAcl(text);
    if (typeof read === 'string')
      close(
        key,
        `holds HAProxy text that means nothing here: ${read}`,
        'hosts and paths by VHOST and PATH, *.name for wildcards',
      );
    else if (read !== null) routing[suffix.startsWith('HTTPS') ? 'https' : 'http'] = read;
  }
  return { ...fragments.result(), closed, routing };
}
