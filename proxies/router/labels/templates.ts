// Labels that replace a template of HAProxy text: what of them means something here, and what ignoring the rest would open (specs/l7.md §1.6).
// A template equal to Marathon-LB's own consists of fragments that are known, so that it passes without a word.

import { isRejection } from '../label-values.ts';
import { readAcl, type AclRouting } from './acl-template.ts';
import { parseAuth } from './auth-label.ts';
import { FragmentReader, type Fragments } from './haproxy-fragments.ts';
import { aclTemplates, appIdTemplate, fragmentTemplates } from './haproxy-names.ts';
import type { LabelReader } from './label-reader.ts';
import type { LabelRules } from './label-rules.ts';

export interface Templates extends Fragments {
  /** Keys whose text is not understood and might restrict access: the vhost gets no route. */
  readonly closed: readonly string[];
  /** The app has no name on the front end for app ids, for the same reason. */
  readonly closesAppId: boolean;
  /** Instead of the vhost's hosts and paths, for each listener, each of them; absent: as they are. */
  readonly routing: Readonly<Partial<Record<'http' | 'https', readonly AclRouting[]>>>;
}

const meansNothing = 'holds HAProxy text that means nothing here';

/** `hosts`: what `{hostname}` stands for. */
export function readTemplates(
  reader: LabelReader,
  prefix: string,
  rules: LabelRules,
  hosts: readonly string[],
): Templates {
  const closed: string[] = [];
  const unsafe = rules.allowUnsafeTemplates;
  const close = (key: string, reason: string, hint: string): void => {
    closed.push(key);
    reader.report(key, 'error', unsafe ? reason : `${reason}, so the vhost gets no route`, hint);
  };
  const auth = reader.get(`${prefix}AUTH`);
  const parsed = auth === undefined ? null : parseAuth(auth);
  if (isRejection(parsed)) close(`${prefix}AUTH`, parsed.rejected, parsed.hint);
  const fragments = readFragments(reader, prefix, close);
  const routing: Partial<Record<'http' | 'https', readonly AclRouting[]>> = {};
  const paths = (reader.get(`${prefix}PATH`) ?? '').split(/\s+/).filter((word) => word !== '' && word !== '-i');
  for (const suffix of aclTemplates) {
    const key = `${prefix}${suffix}`;
    const text = reader.get(key);
    if (text === undefined) continue;
    const read = readAcl(text, { hosts, paths });
    if (typeof read === 'string')
      close(key, `${meansNothing}: ${read}`, 'hosts and paths by VHOST and PATH, *.name for wildcards');
    else if (read !== null) routing[suffix.startsWith('HTTPS') ? 'https' : 'http'] = read;
  }
  return { ...fragments, closed, closesAppId: closesAppId(reader, prefix, unsafe), routing };
}

function readFragments(
  reader: LabelReader,
  prefix: string,
  close: (key: string, reason: string, hint: string) => void,
): Fragments {
  const fragments = new FragmentReader(reader.get(`${prefix}HTTP_BACKEND_PROXYPASS_PATH`)?.trim() ?? '');
  for (const [suffix, { severity, opening, requires }] of Object.entries(fragmentTemplates)) {
    const key = `${prefix}${suffix}`;
    const text = reader.get(key);
    if (text === undefined) continue;
    if (requires !== undefined && reader.get(`${prefix}${requires}`) === undefined) {
      reader.report(key, 'warn', `has no effect without ${prefix}${requires}`, `set ${prefix}${requires} too`);
      continue;
    }
    const left = fragments.read(suffix, text);
    if (left.length === 0) continue;
    const reason = `${meansNothing}: ${left.join(' | ')}`;
    if (severity === 'error' || left.some((line) => opening?.test(line)))
      close(key, reason, 'remove it, or say the same with labels of this list');
    else reader.report(key, 'warn', reason, 'the port is served without it');
  }
  return fragments.result();
}

/** The template's own lines say what is so here anyway. */
function closesAppId(reader: LabelReader, prefix: string, unsafe: boolean): boolean {
  const key = `${prefix}${appIdTemplate}`;
  const left = (reader.get(key) ?? '')
    .split(/\n|\\n/)
    .map((line) => line.trim().replace(/\s+/g, ' '))
    .filter((line) => line !== '' && !line.startsWith('#') && !ownAppId.some((pattern) => pattern.test(line)));
  if (left.length === 0) return false;
  const reason = `${meansNothing}: ${left.join(' | ')}`;
  const end = unsafe ? '' : ', so the app has no name on the front end for app ids';
  reader.report(key, 'error', reason + end, 'remove it');
  return !unsafe;
}

const ownAppId: readonly RegExp[] = [
  /^acl app_\{cleanedUpAppId\} hdr\(x-marathon-app-id\) -i \{appId\}$/i,
  /^use_backend \{backend\} if app_\{cleanedUpAppId\}$/,
];
