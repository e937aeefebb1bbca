// What HAPROXY_* labels of a port ask to be done with its requests and answers (specs/l7.md §1.5, §1.9, §1.10).

import { compileCidrs } from '../../../src/runtime/index.ts';
import { hasControl, isRejection, parseBoolean, parseReferenceBoolean } from '../label-values.ts';
import type {
  AllowedNetworks,
  BasicAuth,
  HttpsRedirect,
  LocationChange,
  OptionsEntry,
  PathChange,
} from '../options-record.ts';
import { parseAuth } from './auth-label.ts';
import { reportHash } from './hash-report.ts';
import { setIdOf, type PortLabels } from './port-labels.ts';

/** Six months, which is what Marathon-LB's template says. */
const hstsSeconds = 15_768_000;

export function optionsOfPort(labels: PortLabels): OptionsEntry {
  const { unit, port, templates } = labels;
  const auth = authOf(labels);
  const networks = networksOf(labels);
  const root = rootRedirectOf(labels);
  return Object.freeze({
    kind: 'options',
    id: setIdOf(unit, port),
    ...(flag(labels, 'REDIRECT_TO_HTTPS') ? { redirectToHttps: redirectOf(labels) } : {}),
    ...(root === null ? {} : { redirectRoot: root }),
    ...(flag(labels, 'USE_HSTS') ? { hsts: { ...hsts(labels), ...templates.hsts } } : {}),
    ...(auth === null ? {} : { auth }),
    ...(networks === null ? {} : { networks }),
    ...rewritesOf(labels),
    ...(labels.isReference ? { appendsForwarded: true } : {}),
    ...templates.options,
  } as const);
}

function flag({ reader, prefix, isReference }: PortLabels, name: string): boolean {
  return reader.value(`${prefix}${name}`, isReference ? parseReferenceBoolean : parseBoolean, false);
}

function redirectOf({ isReference, rules, templates }: PortLabels): HttpsRedirect {
  const code = templates.redirectCode ?? 301;
  const otherCode = isReference ? code : code === 302 || code === 307 ? 307 : 308;
  return { code, otherCode, port: rules.httpsPort, ...(isReference ? { hostAsSent: true } : {}) };
}

const hsts = ({ isReference }: PortLabels): NonNullable<OptionsEntry['hsts']> => ({
  maxAgeSeconds: hstsSeconds,
  includeSubdomains: false,
  preload: false,
  always: isReference,
});

function rootRedirectOf({ reader, prefix, hosts }: PortLabels): NonNullable<OptionsEntry['redirectRoot']> | null {
  const to = reader.get(`${prefix}HTTP_BACKEND_REDIR`)?.trim();
  if (to === undefined || to === '') return null;
  if (hasControl(to)) {
    reader.report(`${prefix}HTTP_BACKEND_REDIR`, 'warn', 'is no address', 'a path or an address, such as /login');
    return null;
  }
  return { to, hosts };
}

/** Users of HAPROXY_<n>_AUTH and of a USERLIST_HEAD; the port is closed by the caller where this is rejected. */
function authOf({ reader, prefix, isReference, templates }: PortLabels): BasicAuth | null {
  const key = `${prefix}AUTH`;
  const text = reader.get(key);
  if (text === undefined) return null;
  const parsed = parseAuth(text);
  // Reported where the label was found to be broken; nobody passes.
  if (isRejection(parsed)) return { kind: 'basic', realm: 'closed', users: [], everywhere: true };
  const users = [{ name: parsed.user, hash: parsed.hash }, ...templates.users];
  for (const { hash } of users) reportHash(hash, key, reader);
  return { kind: 'basic', realm: parsed.realm, users, everywhere: !isReference };
}

function networksOf({ reader, prefix, templates }: PortLabels): AllowedNetworks | null {
  const key = `${prefix}BACKEND_NETWORK_ALLOWED_ACL`;
  // A network template that is not understood might let nobody in but a few.
  if (templates.closed.some((closed) => closed.endsWith('NETWORK_ALLOWED_ACL'))) return { allowed: [] };
  const items = reader
    .get(key)
    ?.split(/[\s,]+/)
    .filter((item) => item !== '');
  if (items === undefined || items.length === 0) return null;
  const { problems } = compileCidrs(items);
  for (const problem of problems)
    reader.report(key, 'error', `${problem}, so it lets nobody in`, 'addresses and CIDRs between blanks');
  return { allowed: items.filter((item) => compileCidrs([item]).problems.length === 0) };
}

function rewritesOf(labels: PortLabels): Pick<OptionsEntry, 'path' | 'host' | 'location'> {
  const { reader, prefix, isReference, vhost, hosts } = labels;
  const stripped = reader.get(`${prefix}HTTP_BACKEND_PROXYPASS_PATH`)?.trim();
  const location = locationOf(labels);
  if (stripped === undefined || stripped === '') return location === null ? {} : { location };
  const path: PathChange = {
    change: 'strip',
    prefixes: [stripped.startsWith('/') ? stripped : `/${stripped}`],
    segment: !isReference,
    ignoreCase: true,
    reports: !isReference,
  };
  const [host] = hosts;
  const text = isReference ? (vhost ?? 'None').toLowerCase() : host;
  const isNamed = text !== undefined && (isReference || (hosts.length === 1 && !/[*~]/.test(text)));
  return {
    path: [path],
    ...(isNamed && text !== undefined ? { host: { text: text === 'none' ? 'None' : text } } : {}),
    ...(location === null ? {} : { location }),
  };
}

function locationOf({ reader, prefix, isReference, hosts }: PortLabels): LocationChange | null {
  const to = reader.get(`${prefix}HTTP_BACKEND_REVPROXY_PATH`)?.trim();
  if (to === undefined || to === '' || hasControl(to)) return null;
  return { to, hosts, keepPath: !isReference };
}
