// Who may pass a Traefik frontend: basic before digest before a request elsewhere, as Traefik has it (specs/l7.md §2.2).

import { parseList } from '../label-values.ts';
import type { Auth } from '../options-record.ts';
import { reportHash } from './hash-report.ts';
import type { TraefikLabels } from './traefik-labels.ts';

const realm = 'traefik';

export function authOf(labels: TraefikLabels): Auth | null {
  return basicOf(labels) ?? digestOf(labels) ?? forwardOf(labels);
}

function common(labels: TraefikLabels, scope: string): Pick<Auth, 'everywhere' | 'userHeader' | 'removeHeader'> {
  const userHeader = labels.text('frontend.auth.headerField');
  return {
    everywhere: true,
    ...(userHeader === null || userHeader === '' ? {} : { userHeader }),
    ...(labels.flag(`${scope}.removeHeader`, false) ? { removeHeader: true } : {}),
  };
}

function basicOf(labels: TraefikLabels): Auth | null {
  const scope = 'frontend.auth.basic';
  const entries = [
    ...labels.list(`${scope}.users`),
    ...(labels.text(`${scope}.users`) === null ? labels.list(scope) : []),
  ];
  const usersFile = labels.text(`${scope}.usersFile`) ?? '';
  if (entries.length === 0 && usersFile === '') return null;
  const users = entries.flatMap((entry) => {
    const colon = entry.indexOf(':');
    if (colon > 0) {
      const hash = entry.slice(colon + 1);
      reportHash(hash, labels.key(`${scope}.users`), labels.reader);
      return [{ name: entry.slice(0, colon), hash }];
    }
    labels.reader.report(labels.key(`${scope}.users`), 'error', 'an entry is not name:hash', 'a line of htpasswd');
    return [];
  });
  return { kind: 'basic', realm, users, ...(usersFile === '' ? {} : { usersFile }), ...common(labels, scope) };
}

function digestOf(labels: TraefikLabels): Auth | null {
  const scope = 'frontend.auth.digest';
  const entries = labels.list(`${scope}.users`);
  const usersFile = labels.text(`${scope}.usersFile`) ?? '';
  if (entries.length === 0 && usersFile === '') return null;
  labels.warn(`${scope}.users`, 'digest authentication rests on MD5', 'basic over TLS');
  const users = entries.flatMap((entry) => {
    const [name = '', its = '', hash = ''] = entry.split(':');
    if (/^[0-9a-f]{32}$/i.test(hash)) return [{ name, realm: its, hash: hash.toLowerCase() }];
    labels.reader.report(labels.key(`${scope}.users`), 'error', 'an entry is not name:realm:md5', 'a line of htdigest');
    return [];
  });
  return { kind: 'digest', realm, users, ...(usersFile === '' ? {} : { usersFile }), ...common(labels, scope) };
}

function forwardOf(labels: TraefikLabels): Auth | null {
  const scope = 'frontend.auth.forward';
  const address = labels.text(`${scope}.address`) ?? '';
  if (address === '') return null;
  const [ca, cert, key] = ['ca', 'cert', 'key'].map((name) => labels.text(`${scope}.tls.${name}`));
  const insecure = labels.flag(`${scope}.tls.insecureSkipVerify`, false);
  const tls = {
    ...(ca ? { ca } : {}),
    ...(cert ? { cert } : {}),
    ...(key ? { key } : {}),
    insecure,
  };
  return {
    kind: 'forward',
    address,
    trustForwardHeader: labels.flag(`${scope}.trustForwardHeader`, false),
    responseHeaders: parseList(labels.text(`${scope}.authResponseHeaders`) ?? ''),
    ...(insecure || Object.keys(tls).length > 1 ? { tls } : {}),
    ...common(labels, scope),
  };
}
