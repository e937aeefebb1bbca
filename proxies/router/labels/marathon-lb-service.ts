// How the backends of a port are chosen and called, and its service port, by HAPROXY_* labels (specs/l7.md §1.5–1.7, §1.11).

import { isIP } from 'node:net';
import { parseBalance, type Balance } from '../../../lb/index.ts';
import type { App, AppPort } from '../../../src/cluster/index.ts';
import { parseBoolean, parseInteger, parseReferenceBoolean, type ValueRejection } from '../label-values.ts';
import type { PortEntry, PortTls, RouteTarget } from '../route-record.ts';
import type { ServiceEntry, Sticky } from '../service-record.ts';
import { checkOfPort, checkRuleOf, modeOf } from './check-choice.ts';
import type { LabelReader } from './label-reader.ts';
import { setIdOf, type PortLabels } from './port-labels.ts';

export function serviceOfPort(labels: PortLabels, servicePort: number | null): ServiceEntry {
  const { unit, port, reader, prefix, isReference, mode, templates } = labels;
  const isSticky = reader.value(`${prefix}STICKY`, isReference ? parseReferenceBoolean : parseBoolean, false);
  const balance = reader.value(`${prefix}BALANCE`, parseBalance, null);
  const checkedPort = checkedPortOf(unit.app, port, reader);
  const rule = checkRuleOf(unit.app, port, mode, checkedPort, labels.hosts[0] ?? null, isReference);
  const check = rule === null ? null : { ...rule, ...templates.check };
  return Object.freeze({
    kind: 'service',
    id: setIdOf(unit, port),
    name: backendName(unit.appId, servicePort ?? port.index),
    appIds: unit.members.map((app) => app.id),
    mode,
    ...(isRoundRobin(balance) ? {} : { balance }),
    ...(isSticky ? { sticky: { ...sticky(isReference), ...templates.sticky } } : {}),
    ...(check === null ? {} : { check }),
    ...templates.service,
  } as const) as ServiceEntry;
}

const isRoundRobin = (balance: Balance | null): boolean => balance === null || balance.policy === 'roundrobin';

/** `/groupware/nginx` on 10000 is `groupware_nginx_10000`. */
export const backendName = (appId: string, port: number): string => `${appId.slice(1).replaceAll('/', '_')}_${port}`;

/** Its name and values are Marathon-LB's, so that sessions outlive the change of the router. */
const sticky = (isReference: boolean): Sticky => ({
  cookie: 'mesosphere_server_id',
  acceptsUrl: false,
  path: '/',
  httpOnly: !isReference,
  secure: isReference ? 'never' : 'on-tls',
  sameSite: isReference ? null : 'lax',
  whileDraining: !isReference,
});

export function modeOfLabels(app: App, port: AppPort, reader: LabelReader, isReference: boolean): 'http' | 'tcp' {
  const other = checkedPortOf(app, port, null, reader.get(`HAPROXY_${port.index}_BACKEND_HEALTHCHECK_PORT_INDEX`));
  return modeOf(
    {
      check: checkOfPort(app.healthChecks, port.index),
      otherCheck: other === null ? null : checkOfPort(app.healthChecks, other),
      label: reader.value(`HAPROXY_${port.index}_MODE`, parseMode, null),
      hasVhost: reader.get(`HAPROXY_${port.index}_VHOST`) !== undefined,
    },
    isReference,
  );
}

/** HAPROXY_<n>_BACKEND_HEALTHCHECK_PORT_INDEX where the app has such a port; else the port is checked itself. */
function checkedPortOf(app: App, port: AppPort, reader: LabelReader | null, text?: string): number | null {
  const key = `HAPROXY_${port.index}_BACKEND_HEALTHCHECK_PORT_INDEX`;
  const index = reader === null ? parseInteger(text ?? '') : reader.value(key, parseInteger, null);
  if (typeof index !== 'number') return null;
  if (app.ports.some((one) => one.index === index)) return index;
  const ports = app.ports.map((one) => one.index).join(', ');
  reader?.report(key, 'warn', `the app has no port ${index}, so its own is checked`, `its ports are ${ports}`);
  return null;
}

export function parseMode(value: string): 'http' | 'tcp' | ValueRejection {
  const mode = value.trim().toLowerCase();
  return mode === 'http' || mode === 'tcp' ? mode : { rejected: `"${value}" is no mode`, hint: 'http or tcp' };
}

/** HAPROXY_<n>_PORT, else the app's own number; null: the port has no listener. */
export function servicePortOf({ port, reader, prefix }: PortLabels): number | null {
  return reader.value(`${prefix}PORT`, parsePort, port.servicePort) ?? null;
}

function parsePort(value: string): number | ValueRejection {
  const number = parseInteger(value);
  const isPort = typeof number === 'number' && number > 0 && number < 65_536;
  return isPort ? number : { rejected: `"${value}" is no port`, hint: 'a number from 1 to 65535' };
}

/** Null: what asks who the clients are could not be read, so nobody is let in. */
export function portEntryOf(labels: PortLabels, port: number, target: RouteTarget): PortEntry | null {
  const { reader, prefix, mode } = labels;
  const said = reader.value(`${prefix}BIND_ADDR`, parseAddress, null);
  const { address: bound } = labels.templates.bind;
  const address = bound === null ? said : reader.value(`${prefix}FRONTEND_HEAD`, () => parseAddress(bound), said);
  const certificate = reader.get(`${prefix}SSL_CERT`)?.trim();
  const { acceptProxy, tls, link, opens } = bindOptions(labels);
  const hasTls = certificate !== undefined && certificate !== '';
  if (opens && !labels.rules.allowUnsafeTemplates) return null;
  if (!hasTls && Object.keys(tls).length > 0)
    reader.report(
      `${prefix}BIND_OPTIONS`,
      'warn',
      'its words on TLS mean nothing without a certificate',
      `set ${prefix}SSL_CERT`,
    );
  return Object.freeze({
    kind: 'port',
    id: String(port),
    port,
    mode,
    ...(address === null ? {} : { address }),
    ...(link === null ? {} : { interface: link }),
    ...(acceptProxy ? { acceptProxy } : {}),
    ...(labels.isReference ? { closesEmpty: true } : {}),
    ...(hasTls ? { tls: { certificate: certificate.split(/\s+/)[0] ?? null, ...tls } } : {}),
    ...target,
  } as const);
}

function parseAddress(value: string): string | null | ValueRejection {
  const text = value.trim().replace(/^\[|\]$/g, '');
  if (text === '*' || text === '') return null;
  return isIP(text) > 0 ? text : { rejected: `"${value}" is no address`, hint: 'one address, such as 10.0.0.5' };
}

interface BindOptions {
  readonly acceptProxy: boolean;
  readonly tls: Partial<PortTls>;
  /** Name of a network interface. */
  readonly link: string | null;
  /** Without what is not understood the port might be open to those it is closed to. */
  readonly opens: boolean;
}

/** Words of HAPROXY_<n>_BIND_OPTIONS; each that is not known is reported. */
function bindOptions({ reader, prefix, templates }: PortLabels): BindOptions {
  const key = `${prefix}BIND_OPTIONS`;
  const own = (reader.get(key) ?? '').split(/\s+/).filter((word) => word !== '');
  const words = [...own, ...templates.bind.words];
  let acceptProxy = false;
  let tls: Partial<PortTls> = {};
  let ca: string | null = null;
  let verify: string | null = null;
  let link: string | null = null;
  let opens = false;
  const close = (reason: string, hint: string): void => {
    opens = true;
    reader.report(key, 'error', `${reason}, so the port is not opened`, hint);
  };
  for (let i = 0; i < words.length; i++) {
    const word = words[i] ?? '';
    if (word === 'accept-proxy') acceptProxy = true;
    else if (word === 'interface' && words[i + 1] !== undefined) link = words[++i] ?? null;
    else if (word === 'ssl-min-ver') {
      const version = words[++i] ?? '';
      tls = { ...tls, ...minVersion(version) };
      if (versions[version] === undefined)
        reader.report(key, 'warn', `"${version}" is no version of TLS`, `one of ${Object.keys(versions).join(', ')}`);
    } else if (word === 'no-sslv3') continue;
    else if (word === 'no-tlsv10' || word === 'no-tlsv11' || word === 'no-tlsv12') tls = { ...tls, ...above(word) };
    else if (word === 'alpn') tls = { ...tls, alpn: (words[++i] ?? '').split(',').filter((name) => name !== '') };
    else if (word === 'ca-file') ca = words[++i] ?? null;
    else if (word === 'verify') verify = words[++i] ?? null;
    else if (word === 'crl-file' || word.startsWith('ca-')) close(`the word ${word} is not honoured`, known);
    else reader.report(key, 'warn', `the word ${word} is not honoured`, known);
  }
  if (verify === 'required' || verify === 'optional') {
    if (ca === null) close(`verify ${verify} needs a ca-file`, 'ca-file FILE verify required');
    else tls = { ...tls, clients: { ca, mode: verify } };
  }
  return { acceptProxy, tls, link, opens };
}

const known = 'known are accept-proxy, ssl-min-ver, no-tlsv1x, alpn, ca-file with verify, and interface';

const versions: Readonly<Record<string, NonNullable<PortTls['minVersion']>>> = {
  'TLSv1.0': 'TLSv1',
  'TLSv1.1': 'TLSv1.1',
  'TLSv1.2': 'TLSv1.2',
  'TLSv1.3': 'TLSv1.3',
};

function minVersion(text: string): Partial<PortTls> {
  const version = versions[text];
  return version === undefined ? {} : { minVersion: version };
}

const above = (word: string): Partial<PortTls> =>
  minVersion({ 'no-tlsv10': 'TLSv1.1', 'no-tlsv11': 'TLSv1.2', 'no-tlsv12': 'TLSv1.3' }[word] ?? '');
