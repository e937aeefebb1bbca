// Marathon-LB's routing cases: services of the running daemon's table, then every request, under `reference` as measured and under
// `corrected` with the deviations that l7-corrected.ts states as rules.

import { isIP } from 'node:net';
import type { RunningDaemon } from '../feature/daemon.ts';
import type { RouteRecord } from '../../proxies/router/index.ts';
import { ask, Backends, type Answered } from './l7-backends.ts';
import { CaseDaemon, certificateFolder } from './l7-daemon.ts';
import { correctedExpectation, correctedServers } from './l7-corrected.ts';
import { exemptionOf, judge, rowOf, rowsOf, textsOf, type Report, type Row } from './l7-outcome.ts';
import { compareServices } from './l7-services.ts';

type Mode = 'reference' | 'corrected';

export async function runRouting(cases: unknown, report: Report): Promise<void> {
  const rows = rowsOf(rowOf(cases)['cases'], 'cases');
  const groups = new Map<string, Row[]>();
  for (const one of rows) {
    const key = JSON.stringify(one['options']);
    groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  const daemons = new CaseDaemon();
  const certificates = certificateFolder(namesOf(rows));
  try {
    // Cases of equal options in a row: they share a daemon.
    for (const mode of ['reference', 'corrected'] as const)
      for (const group of groups.values())
        for (const one of group) await runCase(one, mode, { daemons, certificates }, report);
  } finally {
    await daemons.close();
  }
}

/** All that is asked for in handshakes and requests. */
function namesOf(rows: readonly Row[]): readonly string[] {
  const requests = rows.flatMap((one) => rowsOf(one['requests'], 'requests'));
  const names = requests.flatMap(({ host, sni }) => [host, sni ?? '']).map((name) => String(name).toLowerCase());
  return [...new Set(names)].filter((name) => /^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(name) && isIP(name) === 0);
}

interface Setting {
  readonly daemons: CaseDaemon;
  readonly certificates: string;
}

async function runCase(one: Row, mode: Mode, setting: Setting, report: Report): Promise<void> {
  const name = `${String(one['id'])} ${mode}`;
  const exempt = exemptionOf(name);
  if (exempt !== undefined) {
    report({ name, differences: [], exempt });
    return;
  }
  const backends = new Backends();
  try {
    const daemon = await load(one, mode, setting);
    await judge(`${name} services`, report, async () => {
      const table = await daemon.json<readonly RouteRecord[]>('/v1/routes');
      await backends.open(addressesOf(table));
      return compareServices(
        table,
        rowsOf(one['expectServices'] ?? [], 'expectServices'),
        mode === 'corrected' ? correctedServers(one) : null,
      );
    });
    for (const [index, request] of rowsOf(one['requests'], 'requests').entries())
      await judge(
        `${name} #${index} ${String(request['scheme'])} :${Number(request['port'])} ${String(request['host'])}${String(request['path'])}`,
        report,
        () => compareRequest(one, request, mode, backends),
        name,
      );
  } catch (error) {
    report({ name, differences: [error instanceof Error ? error.message : String(error)] });
  } finally {
    await backends.close();
  }
}

function addressesOf(table: readonly RouteRecord[]): readonly string[] {
  return table.flatMap((record) => (record.kind === 'set' ? record.backends.map((backend) => backend.key) : []));
}

function load(one: Row, mode: Mode, { daemons, certificates }: Setting): Promise<RunningDaemon> {
  const options = rowOf(one['options']);
  const router = (groups: readonly string[]): Row => ({
    http: options['bindHttpHttps'] === false ? [] : ['127.0.0.1:80'],
    https: ['127.0.0.1:443'],
    groups: [...textsOf(options['groups']), ...groups],
    labels: mode,
    marathonLb: {
      strictMode: options['strictMode'] === true,
      healthCheck: options['respectMarathonHealth'] === true,
      haproxyMap: options['haproxyMap'] === true,
      groupHttpsByVhost: options['groupHttpsByVhost'] === true,
      sslCerts: [],
    },
    servicePorts: '127.0.0.1',
    appIdHeader: '127.0.0.1:9091',
    haproxyEndpoints: '127.0.0.1:9090',
  });
  const apps = rowsOf(rowOf(one['marathon'])['apps'], 'apps');
  return daemons.load(apps, rowOf(one['dns']), (groups) => ({
    certs: [{ directory: certificates }],
    router: router(groups),
  }));
}

async function compareRequest(one: Row, request: Row, mode: Mode, backends: Backends): Promise<readonly string[]> {
  const expect = mode === 'reference' ? rowOf(request['expect']) : correctedExpectation(one, request);
  if (expect['outcome'] === 'config-rejected') return [];
  const headers = Object.entries(rowOf(request['headers'])).map(([key, value]) => `${key}: ${String(value)}\r\n`);
  const raw = `GET ${String(request['path'])} HTTP/1.1\r\nHost: ${String(request['host'])}\r\n${headers.join('')}Connection: close\r\n\r\n`;
  backends.location = typeof request['upstreamLocation'] === 'string' ? request['upstreamLocation'] : null;
  const answers: Answered[] = [];
  for (let i = 0; i < Number(request['repeat'] ?? 1); i++)
    answers.push(
      await ask({
        port: Number(request['port']),
        tls: request['scheme'] === 'https' ? { sni: typeof request['sni'] === 'string' ? request['sni'] : null } : null,
        clientIp: typeof request['clientIp'] === 'string' ? request['clientIp'] : null,
        raw,
      }),
    );
  return compareAnswers(answers, expect, mode);
}

function compareAnswers(answers: readonly Answered[], expect: Row, mode: Mode): readonly string[] {
  const [answer] = answers as [Answered];
  const differences: string[] = [];
  const compare = (what: string, actual: unknown, expected: unknown): void => {
    if (JSON.stringify(actual) !== JSON.stringify(expected))
      differences.push(`${what} is ${JSON.stringify(actual)}, expected ${JSON.stringify(expected)}`);
  };
  const outcome = outcomeOf(answer);
  compare('outcome', outcome, expect['outcome']);
  if (differences.length > 0) return [`${differences.join('')} (status ${answer.status})`];
  for (const key of Object.keys(expect)) {
    const expected = expect[key];
    if (key === 'outcome') continue;
    else if (key === 'status') compare('status', answer.status, expected);
    else if (key === 'backends') compareBackends(answers, textsOf(expected), compare, answers.length);
    else if (key === 'upstream') compareUpstream(answer, rowOf(expected), compare);
    else if (key === 'body') compare('body', answer.body, expected);
    else if (key === 'set-cookie') compare(key, cookieOf(answer, mode), cookieText(String(expected), mode));
    else if (key.startsWith('no:')) compare(key.slice(3), answer.headers[key.slice(3)] ?? null, null);
    else if (/^[a-z-]+$/.test(key)) compare(key, answer.headers[key]?.[0] ?? null, expected);
    else differences.push(`expectation ${key} is not understood`);
  }
  return differences;
}

type Compare = (what: string, actual: unknown, expected: unknown) => void;

function outcomeOf(answer: Answered): string {
  if (answer.kind !== 'answer') return answer.kind;
  if (answer.seen !== null) return 'proxied';
  return answer.status >= 300 && answer.status < 400 ? 'redirect' : 'local';
}

function compareBackends(
  answers: readonly Answered[],
  expected: readonly string[],
  compare: Compare,
  asked: number,
): void {
  const met = [...new Set(answers.map((answer) => answer.seen?.backend ?? 'none'))].sort();
  const strange = met.filter((backend) => !expected.includes(backend));
  // Once asked is one of them; asked as often as there are is each, by whatever policy.
  if (strange.length > 0 || asked >= expected.length * 2) compare('backends', met, [...expected].sort());
}

function compareUpstream(answer: Answered, expected: Row, compare: Compare): void {
  const { seen } = answer;
  if (seen === null) return;
  for (const [key, value] of Object.entries(expected)) {
    if (key === 'path') compare('path to the back end', seen.path, value);
    else if (key === 'host') compare('Host to the back end', seen.headers['host']?.[0], value);
    else compare(`${key} to the back end`, seen.headers[key] ?? null, value);
  }
}

const cookieOf = (answer: Answered, mode: Mode): string | null => {
  const cookie = answer.headers['set-cookie']?.[0];
  return cookie === undefined ? null : cookieText(cookie, mode);
};

/** Corrected, a cookie has attributes more; its name, value and path stay. Which of several servers is met is chance. */
function cookieText(text: string, mode: Mode): string {
  const [pair = '', ...attributes] = text.split(/;\s*/);
  const name = pair.split('=')[0] ?? '';
  return mode === 'corrected' ? `${name}; path` : [name, ...attributes.map((one) => one.toLowerCase())].join('; ');
}
