// Names, ports and filters of Traefik 1.7's Marathon and Mesos providers (specs/l7.md §2.3, §2.4, §2.6). Pure.

import { createHash } from 'node:crypto';

/** `/group/app` as `group-app`, or as `app.group` where groups are sub-domains. */
export function subDomain(appId: string, groupsAsSubDomains: boolean): string {
  const parts = appId.replace(/^\//, '').split('/');
  return groupsAsSubDomains ? parts.reverse().join('.') : parts.join('-');
}

/** A Mesos task's discovery name: lower case, `_` as `-`. */
export const mesosSubDomain = (name: string, groupsAsSubDomains: boolean): string =>
  subDomain(name.toLowerCase().replaceAll('_', '-'), groupsAsSubDomains);

const normalized = (text: string): string => text.replaceAll('/', '-').replaceAll('.', '-');

const behind = (segment: string): string => (segment === '' ? '' : `-service-${segment}`);

export const backendNameOf = (appId: string, segment: string, label: string | null): string =>
  label === null ? `backend${normalized(appId)}${behind(segment)}` : `backend${normalized(label)}`;

export const frontendNameOf = (appId: string, segment: string): string =>
  `frontend${normalized(appId)}${behind(segment)}`;

export const serverNameOf = (appId: string, taskId: string, segment: string): string =>
  `server${normalized(appId)}-${normalized(taskId)}${behind(segment)}`;

export interface RuleFacts {
  readonly rule: string | null;
  readonly haproxyVhost: string | null;
  readonly domain: string;
  readonly name: string;
  readonly segment: string;
}

/** The label, else HAPROXY_0_VHOST where that is read, else the name under the domain. */
export function ruleOf({ rule, haproxyVhost, domain, name, segment }: RuleFacts): string {
  if (rule !== null) return rule;
  if (haproxyVhost !== null) return `Host:${haproxyVhost}`;
  const host = segment === '' ? name : `${segment.toLowerCase()}.${name}`;
  return domain === '' ? `Host:${host}` : `Host:${host}.${domain}`;
}

/** A number as is, an index among the ports otherwise; null: there is none. */
export function portOf(port: string | null, portIndex: string | null, ports: readonly number[]): number | null {
  if (port !== null) {
    const number = /^\d+$/.test(port) ? Number(port) : 0;
    return number > 0 && number < 65_536 ? number : null;
  }
  const index = portIndex === null ? 0 : /^\d+$/.test(portIndex) ? Number(portIndex) : -1;
  return ports[index] ?? null;
}

/** The first list that is not empty. */
export const firstPorts = (...lists: readonly (readonly number[])[]): readonly number[] =>
  lists.find((list) => list.length > 0) ?? [];

/** `tag==x*` and `tag!=y`, all of which must hold; a tag meets one by `*` for any text. */
export function meetsConstraints(tags: readonly string[], constraints: readonly string[]): boolean {
  return constraints.every((constraint) => {
    const [, sign, glob = ''] = /^\s*\w+\s*(==|!=)\s*(\S.*?)\s*$/.exec(constraint) ?? [];
    const source = glob.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*');
    const has = tags.some((tag) => new RegExp(`^${source}$`).test(tag));
    return sign === '!=' ? !has : has;
  });
}

/** Characters that no cookie's name has become `_`; without a name of its own it is made of the backend's. */
export function stickyCookieName(cookieName: string, backendName: string): string {
  if (cookieName !== '') return cookieName.replace(/[^!#$%&'*+\-.^_`|~0-9A-Za-z]/g, '_');
  return `_${createHash('sha1').update(`_TRAEFIK_BACKEND_${backendName}`).digest('hex').slice(0, 5)}`;
}
