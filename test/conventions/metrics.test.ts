// Names of metrics, read from the sources: a known subsystem first, snake_case, and at the end what tells the kind and the unit.

import t from 'tap';
import { readSource, sourceFiles } from './sources.ts';

const subsystems = ['dns', 'lb', 'router', 'socks', 'egress', 'forwards', 'certs', 'orchestrator', 'store', 'label'];
/** Of the processes themselves. */
const ownSubsystems = ['daemon'];

/** Those that people alarm on. Certificates have none yet. */
const stable: Readonly<Record<string, string>> = {
  router_requests_total: 'counter',
  router_request_seconds: 'histogram',
  lb_backend_up: 'gauge',
  orchestrator_snapshot_age_seconds: 'gauge',
  orchestrator_event_lag_seconds: 'gauge',
  label_diagnostics: 'gauge',
  dns_queries_total: 'counter',
  lb_vip_connections_total: 'counter',
  socks_sessions_total: 'counter',
};

interface Found {
  readonly kind: string;
  readonly name: string;
  readonly file: string;
}

const found: readonly Found[] = sourceFiles()
  .filter((file) => !/^(test|bench)\//.test(file))
  .flatMap((file) =>
    [...readSource(file).matchAll(/\.(counter|gauge|histogram)\(\s*(['"`])([^'"`]+)\2/g)].map((match) => {
      return { kind: match[1] ?? '', name: match[3] ?? '', file };
    }),
  );

t.test('each name says subsystem, kind and unit', async (t) => {
  t.ok(found.length > 20, `${found.length} metrics`);
  for (const { kind, name, file } of found) {
    // A prefix by a variable: the subsystem of a function that several share.
    const plain = name.replace(/^\$\{[^}]*\}/, 'socks');
    t.match(plain, /^[a-z]+(_[a-z0-9]+)+$/, `${file}: ${name} is snake_case`);
    const subsystem = plain.slice(0, plain.indexOf('_'));
    t.ok([...subsystems, ...ownSubsystems].includes(subsystem), `${file}: ${name} is of a known subsystem`);
    t.equal(
      /_total$/.test(plain),
      kind === 'counter',
      `${file}: ${name} ends in _total where it counts, and only there`,
    );
    t.notMatch(plain, /_(ms|millis|milliseconds|minutes|kb|kilobytes)(_|$)/, `${file}: ${name} is in base units`);
    if (kind === 'histogram') t.match(plain, /_(seconds|bytes)$/, `${file}: ${name} names its unit`);
  }
});

t.test('the names that people alarm on are there', async (t) => {
  for (const [name, kind] of Object.entries(stable)) {
    const matches = found.filter((one) => one.name.replace(/^\$\{[^}]*\}/, 'socks') === name);
    t.same([...new Set(matches.map((one) => one.kind))], [kind], name);
  }
});
