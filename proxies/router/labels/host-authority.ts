// Hosts that an app names, less those that it may not claim.

import { hostCovers, parseHostPattern } from '../host-pattern.ts';
import type { LabelReader } from './label-reader.ts';
import type { LabelRules } from './label-rules.ts';

export function hostsOfLabel(text: string, key: string, rules: LabelRules, reader: LabelReader): readonly string[] {
  const isReference = rules.labels === 'reference';
  // A comma within braces is an expression's.
  const items = text.split(/,(?![^{}]*\})/).filter((item) => item.trim() !== '');
  const hosts = items.flatMap((item) => {
    const host = parseHostPattern(item);
    if (isReference && /^[*~]/.test(item.trim())) {
      reader.report(key, 'warn', `"${item.trim()}" is a name like others as measured`, 'router.labels: corrected');
      return [];
    }
    if (typeof host === 'string') return mayClaim(host, key, rules, reader) ? [host] : [];
    reader.report(key, 'warn', host.rejected, host.hint);
    return [];
  });
  return [...new Set(hosts)];
}

/** Whether `router.authority` lets the app have the host; a denial is reported. */
export function mayClaim(host: string, key: string, { authority }: LabelRules, reader: LabelReader): boolean {
  const may =
    authority.length === 0 ||
    authority.some(
      (rule) =>
        rule.apps.some((glob) => globMatches(glob, reader.app.id)) &&
        rule.hosts.some((outer) => hostCovers(outer, host)),
    );
  if (!may)
    reader.report(
      key,
      'error',
      `${reader.app.id} may not claim ${host}`,
      'router.authority of the configuration says who may',
    );
  return may;
}

/** `*` within one level of an app id, `**` over any number. */
function globMatches(glob: string, appId: string): boolean {
  const source = glob
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/\/\*\*$/, '(?:/.*)?')
    .replace(/\*\*/g, '.*')
    .replace(/(?<!\.)\*/g, '[^/]*');
  return new RegExp(`^${source}$`).test(appId);
}
