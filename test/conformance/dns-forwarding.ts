// Scenarios of expected-forwarding.json: a real daemon between a client and fakes at the resolvers' addresses.

import type { Answer } from 'dns-packet';
import { splitHostPort } from '../../src/cluster/index.ts';
import { ask, type SeenReply, type Server, type Transport } from './dns-asking.ts';
import { addressAnswers, startFakeUpstream, type Fake, type UpstreamAnswer } from './dns-fakes.ts';
import { judge, rowsOf, textsOf, type Outcome } from './dns-outcome.ts';
import { withForwarder } from './dns-zone-server.ts';

type Row = Readonly<Record<string, unknown>>;

const known = new Set('server name given expect cases derived_from basis note'.split(' '));

export async function runForwarding(
  _folder: string,
  cases: unknown,
  report: (outcome: Outcome) => void,
): Promise<void> {
  for (const row of rowsOf(cases, 'expected-forwarding.json')) {
    const name = `${String(row['server'])}: ${String(row['name'])}`;
    report(await judge(name, () => runScenario(row)));
  }
}

async function runScenario(row: Row): Promise<readonly string[]> {
  const strange = Object.keys(row).filter((key) => !known.has(key));
  if (strange.length > 0) return [`has ${strange.join(', ')}, which the runner does not know`];
  const given = (row['given'] ?? {}) as Row;
  const unknown = [
    ...strangeIn('gives', given, givens),
    ...strangeIn('expects', (row['expect'] ?? {}) as Row, expectations),
  ];
  if (unknown.length > 0) return unknown;
  if (row['cases'] !== undefined) return runSizes(rowsOf(row['cases'], 'cases'));
  if ('resolvers' in given) return runResolvers(given, (row['expect'] ?? {}) as Row);
  if ('upstreams' in given) return runUpstreams(String(row['name']), given, (row['expect'] ?? {}) as Row);
  if ('handler_limit' in given) return runOverload(Number(given['handler_limit']));
  return ['is a scenario that the runner does not know'];
}

/** What a scenario may give and expect; anything else is not understood. */
const givens = new Set('resolvers transport available externalOn upstreams qname handler_limit'.split(' '));
const expectations = new Set('error rcode reply_from answers some others qr note'.split(' '));

function strangeIn(what: string, row: Row, understood: ReadonlySet<string>): readonly string[] {
  const strange = Object.keys(row).filter((key) => !understood.has(key));
  return strange.length > 0 ? [`${what} ${strange.join(', ')}, which the runner does not know`] : [];
}

/** Resolvers by address: one that answers with its own address, one that is silent, one whose connection ends. */
async function runResolvers(given: Row, expect: Row): Promise<readonly string[]> {
  const resolvers = Object.entries((given['resolvers'] ?? {}) as Readonly<Record<string, string>>);
  const fakes: Fake[] = [];
  try {
    for (const [ip, behaviour] of resolvers) {
      if (!['ok', 'timeout', 'eof'].includes(behaviour)) return [`behaviour ${behaviour} is not understood`];
      const answers = addressAnswers('forwarded.example', 'A', [ip]);
      const answer: UpstreamAnswer =
        behaviour === 'ok' ? { kind: 'answers', answers } : { kind: behaviour === 'eof' ? 'eof' : 'silence' };
      fakes.push(await startFakeUpstream(ip, 53, () => answer, behaviour === 'eof'));
    }
    return await withForwarder(
      resolvers.map(([ip]) => `${ip}:53`),
      async (dns) => {
        const transport = given['transport'] as Transport;
        const [reply] = await ask(dns, { name: 'forwarded.example', type: 'A' }, transport);
        return judgeReply(expect, reply as SeenReply);
      },
      given['externalOn'] === undefined ? {} : { externalOn: given['externalOn'] },
    );
  } finally {
    for (const fake of fakes) await fake.close();
  }
}

function judgeReply(expect: Row, reply: SeenReply): readonly string[] {
  const rcode = expect['rcode'] ?? 'NOERROR';
  if (reply.rcode !== rcode) return [`rcode is ${reply.rcode}, not ${String(rcode)}`];
  const from = reply.answers[0]?.['address'];
  return expect['reply_from'] === from ? [] : [`the reply is of ${String(from)}, not ${String(expect['reply_from'])}`];
}

const numbers: Readonly<Record<string, number>> = { two: 2, four: 4, eight: 8, sixteen: 16 };

/** Every upstream answers but those that the name calls wrong, which are silent, and broken ones, which are not there. */
async function runUpstreams(name: string, given: Row, expect: Row): Promise<readonly string[]> {
  const isBroken = name.includes('broken');
  const wrong = /wrong \(([\d.]+)\)/.exec(name)?.[1];
  const times = numbers[/(\w+) queries/.exec(name)?.[1] ?? ''] ?? 1;
  const qname = String(given['qname'] ?? 'dcos.io');
  const transports = textsOf([given['transport'] ?? 'udp'].flat()) as readonly Transport[];
  const upstreams = textsOf(given['upstreams']);
  // Nobody to ask is forwarding that is off: the references differ, and specs/dns.md §8.1 decides for Mesos-DNS's answer.
  const failure = upstreams.length === 0 && expect['rcode'] === 'SERVFAIL' ? 'REFUSED' : expect['rcode'];
  const fakes: Fake[] = [];
  try {
    for (const upstream of upstreams) {
      const { host: ip, port } = splitHostPort(upstream) ?? { host: upstream, port: 53 };
      const answers = addressAnswers(qname, 'A', ['192.0.2.80']);
      const answer: UpstreamAnswer = { kind: isBroken ? 'eof' : ip === wrong ? 'silence' : 'answers', answers };
      fakes.push(await startFakeUpstream(ip, port, () => answer, isBroken));
    }
    return await withForwarder(upstreams, async (dns) => {
      const differences: string[] = [];
      for (const transport of transports) {
        const replies = await ask(dns, { name: qname, type: 'A' }, transport, times);
        const others = replies.filter(({ rcode }) => rcode !== (failure ?? 'NOERROR'));
        if (others.length > 0) differences.push(`${transport}: rcode is ${String(others[0]?.rcode)}`);
        const empty = replies.filter(({ answers }) => answers.length === 0).length;
        if (empty > 0 && failure === undefined)
          differences.push(`${transport}: ${empty} of ${times} replies hold no answer`);
      }
      return differences;
    });
  } finally {
    for (const fake of fakes) await fake.close();
  }
}

/** Four times as many questions as may be under way, each held for a second: some are answered, others get nothing or a failure. */
async function runOverload(limit: number): Promise<readonly string[]> {
  const answers = (name: string): readonly Answer[] => addressAnswers(name, 'A', ['192.0.2.80']);
  const fake = await startFakeUpstream('192.0.2.53', 53, (name) => ({
    kind: 'answers',
    answers: answers(name),
    delayMs: 1000,
  }));
  try {
    return await withForwarder(['192.0.2.53:53'], async (dns) => {
      const outcomes = await Promise.all(Array.from({ length: limit * 4 }, (_, i) => outcomeOf(dns, i)));
      const answered = outcomes.filter((outcome) => outcome === 'answered').length;
      if (answered === 0) return ['none was answered'];
      return answered === outcomes.length ? [`all ${outcomes.length} were answered`] : [];
    });
  } finally {
    await fake.close();
  }
}

async function outcomeOf(dns: Server, i: number): Promise<'answered' | 'refused'> {
  try {
    const [reply] = await ask(dns, { name: `q${i}.example`, type: 'A' }, 'tcp');
    return (reply?.answers.length ?? 0) > 0 ? 'answered' : 'refused';
  } catch {
    return 'refused';
  }
}

/** An A record of size.example, as the fake writes it: with its owner in full. */
const octetsOfRecord = 28;

/** Of each case: a reply just within the limit comes whole, a longer one is cut to it, says so over UDP, and is never longer. */
async function runSizes(cases: readonly Row[]): Promise<readonly string[]> {
  const name = 'size.example';
  let edns: number | undefined;
  let count = 0;
  const answers = (): UpstreamAnswer => {
    const addresses = Array.from({ length: count }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
    return {
      kind: 'answers',
      answers: addressAnswers(name, 'A', addresses, 0),
      ...(edns === undefined ? {} : { edns }),
    };
  };
  const fake = await startFakeUpstream('192.0.2.53', 53, (_name, _type, transport) => {
    const whole = answers();
    return transport === 'tcp' ? whole : { kind: 'cut' };
  });
  try {
    return await withForwarder(['192.0.2.53:53'], async (dns) => {
      const differences: string[] = [];
      for (const one of cases) {
        const transport = one['transport'] as Transport;
        const max = Number(one['max']);
        edns = typeof one['edns'] === 'number' ? one['edns'] : undefined;
        const fits = Math.floor((Math.min(max, 60_000) - 60) / octetsOfRecord);
        for (const [records, isWhole] of [
          [fits, true],
          [fits + 10, transport === 'tcp'],
        ] as const) {
          count = records;
          const asked = { name, type: 'A', ...(edns === undefined ? {} : { edns }) };
          const [reply] = await ask(dns, asked, transport);
          if (reply === undefined) continue;
          const what = `${transport}, EDNS ${String(one['edns'])}, ${records} records`;
          if (reply.octets > max) differences.push(`${what}: ${reply.octets} octets, more than ${max}`);
          if (isWhole && (reply.tc || reply.answers.length !== records))
            differences.push(`${what}: cut to ${reply.answers.length} records, ${reply.octets} octets`);
          if (!isWhole && !reply.tc) differences.push(`${what}: TC is not set`);
        }
      }
      return differences;
    });
  } finally {
    await fake.close();
  }
}
