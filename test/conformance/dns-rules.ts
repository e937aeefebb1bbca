// Rows of expected-naming-and-config.json: rules, against the functions that the daemon uses, and configurations, against its parser.

import { domainFragment, hash5, rfc1123Label, rfc952Label, slaveTail } from '../../dns/naming.ts';
import { mangleLabel, mangleName } from '../../src/cluster/index.ts';
import { parseConfig } from '../../src/daemon/index.ts';
import { addressOfPid, reservedPorts } from '../../src/orchestrator/mesos/fields.ts';
import { seededRandom } from '../../src/runtime/index.ts';
import { judge, rowsOf, textsOf, type Outcome } from './dns-outcome.ts';

type Row = Readonly<Record<string, unknown>>;

const functions: Readonly<Record<string, (text: string) => string>> = {
  rfc952: rfc952Label,
  rfc1123: rfc1123Label,
  'domainFrag(rfc952)': (text) => domainFragment(text, rfc952Label),
  'domainFrag(rfc1123)': (text) => domainFragment(text, rfc1123Label),
  hash5,
  slaveTail,
  dcosLabel: mangleLabel,
  dcosDomainFrag: mangleName,
};

const sections: Readonly<Record<string, (row: Row) => readonly string[]>> = {
  labels: compareLabel,
  ports: ({ input, output }) => differ(reservedPorts({ ports: input }), output),
  pids: comparePid,
  leaderIp: ({ input, output, error }) =>
    differ(addressOfPid(String(input))?.ip ?? null, error === true ? null : output),
  masterOrder: () => ['master lists are compared nowhere'],
  validation: compareValidation,
};

export async function runRules(_folder: string, cases: unknown, report: (outcome: Outcome) => void): Promise<void> {
  for (const [section, rows] of Object.entries(cases as Row)) {
    if (section === 'properties') {
      for (const text of textsOf(rows)) report(await judge(text, () => checkProperty(text)));
      continue;
    }
    const compare = sections[section];
    if (compare === undefined) {
      report({ name: section, differences: ['is a section that the runner does not know'] });
      continue;
    }
    for (const row of rowsOf(rows, section)) {
      const outcome = await judge(section, () => compare(row));
      const shown = JSON.stringify(row['input'] ?? row['event'] ?? row['events'] ?? row['start']);
      report({ ...outcome, name: `${section} ${String(row['function'] ?? row['check'] ?? '')} ${shown}` });
    }
  }
}

function differ(found: unknown, wanted: unknown): readonly string[] {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  return a === b ? [] : [`gives ${a}, not ${b}`];
}

function compareLabel({ function: name, input, output }: Row): readonly string[] {
  const rule = functions[String(name)];
  return rule === undefined ? [`function ${String(name)} is not understood`] : differ(rule(String(input)), output);
}

function comparePid({ input, host, port, error }: Row): readonly string[] {
  const found = addressOfPid(String(input));
  if (error === true) return differ(found, null);
  return differ(found === null ? null : [found.ip, String(found.port)], [host, String(port)]);
}

/** What we serve and warn of, where the reference refuses: zones inside others (the longest match answers), masters without a port. */
const warned = /^(dns\.forwardZones|cluster\[0\]\.mesos\.masters)\b/;

/** The case as a configuration of ours: accepted or not. */
function compareValidation({ check, input, valid }: Row): readonly string[] {
  const config = configOf(String(check), input);
  if (config === null) return [`check ${String(check)} is not understood`];
  const { config: accepted, problems } = parseConfig(JSON.stringify(config), '/etc/isthmus/isthmus.yaml', {});
  const isWarned = problems.some(({ path, severity }) => severity === 'warning' && warned.test(path));
  if ((accepted !== null) === valid || (valid === false && isWarned)) return [];
  const reasons = problems.map((problem) => JSON.stringify(problem)).join(' ');
  return [valid === true ? `is refused: ${reasons}` : 'is accepted'];
}

const zookeeper = 'zk://127.0.0.1:2181/mesos';
const fromFile = [{ file: { path: '/var/lib/isthmus/state.json' } }];

function configOf(check: string, input: unknown): object | null {
  const dns = (section: object): object => ({ cluster: fromFile, dns: section });
  const given = (key: string): object => (input === null ? {} : { [key]: input });
  const domain = /^zoneResolvers \(domain (\S+)\)$/.exec(check)?.[1];
  if (domain !== undefined) return dns({ domain, ...given('forwardZones') });
  switch (check.toLowerCase()) {
    case 'domain':
      return dns({ domain: input });
    case 'masters':
      return { cluster: [{ mesos: { zookeeper, ...mastersOf(input) } }] };
    case 'resolvers':
      return dns(given('upstreams'));
    case 'zoneresolvers':
    case 'dcos forward_zones':
      return dns(given('forwardZones'));
    case 'ipsources':
      return dns({ ipSources: input });
    case 'dcos resolvers':
      return dns({ listen: ['198.51.100.1:53', '198.51.100.2:53', '198.51.100.3:53'], ...given('upstreams') });
    case 'services':
      return servicesOf(input as Row);
    default:
      return null;
  }
}

/** Masters are URLs here. */
const mastersOf = (input: unknown): object =>
  input === null ? {} : { masters: textsOf(input).map((text) => `http://${text}`) };

/** A daemon without a source, or one that has nothing to serve. */
function servicesOf(input: Row): object | null {
  if (Object.keys(input).some((key) => !['masters', 'zk', 'dnsOn', 'httpOn'].includes(key))) return null;
  const isOff = input['dnsOn'] === false && input['httpOn'] === false;
  const mesos = {
    ...mastersOf(input['masters'] ?? null),
    ...(input['zk'] === '' || input['zk'] === undefined ? {} : { zookeeper: input['zk'] }),
  };
  const cluster = input['masters'] === undefined && input['zk'] === undefined ? fromFile : [{ mesos }];
  return { cluster, dns: isOff ? { listen: [], http: null } : {} };
}

const propertyRounds = 20_000;
const hashRounds = 100_000;

function checkProperty(text: string): readonly string[] {
  if (text.startsWith('rfc952 output')) return checkLabels(rfc952Label, /^([a-z]([a-z0-9-]{0,23}))?$/);
  if (text.startsWith('rfc1123 output')) return checkLabels(rfc1123Label, /^([a-z0-9][a-z0-9-]{0,62})?$/);
  if (text.startsWith('dcosLabel output')) return checkLabels(mangleLabel, /^[a-z0-9-]*$/);
  if (text.startsWith('hash5: no collision')) return checkHashes();
  return ['is a property that the runner does not know'];
}

function checkLabels(rule: (text: string) => string, form: RegExp): readonly string[] {
  const random = seededRandom(1);
  for (let i = 0; i < propertyRounds; i++) {
    const input = randomText(random);
    const label = rule(input);
    if (!form.test(label)) return [`${JSON.stringify(input)} gives ${label}`];
  }
  return [];
}

/** 25 bits collide by chance in a third of all runs of 10^7 pairs: a hundredth of that, from a fixed seed, must not. */
function checkHashes(): readonly string[] {
  const random = seededRandom(1);
  for (let i = 0; i < hashRounds; i++) {
    const [a, b] = [`${i}${randomText(random)}`, `${i}${randomText(random)}x`];
    if (a !== b && hash5(a) === hash5(b)) return [`${JSON.stringify(a)} and ${JSON.stringify(b)} collide`];
  }
  return [];
}

function randomText(random: () => number): string {
  const alphabet = 'abcXYZ019-_. /äß%';
  return Array.from({ length: Math.floor(random() * 90) }, () => alphabet[Math.floor(random() * alphabet.length)]).join(
    '',
  );
}
