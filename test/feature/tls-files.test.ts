// Certificate files replaced, broken, removed and restored under load, in each of the ways in which tools do it: every handshake succeeds,
// full or resumed, with a certificate that was given out for the name, and the diagnostics say what is wrong as long as it is.

import { X509Certificate } from 'node:crypto';
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { KeyedCertificate } from '../../certs/index.ts';
import { testAuthority } from '../certs/authority.ts';
import { eventually } from './cluster.ts';
import { askTls, startSite, together, type Site } from './tls-site.ts';

t.setTimeout(230_000);

const ca = testAuthority();

/** Files of one name, and how its tool writes them. */
interface Keeper {
  readonly host: string;
  /** Where the certificate is told to come from, below the folder. */
  readonly origin: string;
  /** Puts a good one there, in one of several ways. */
  write(folder: string, leaf: KeyedCertificate, turn: number): void;
  /** Leaves what is none, and answers how that is told. */
  damage(folder: string, leaf: KeyedCertificate): RegExp;
  remove(folder: string): void;
}

function swap(path: string, text: string): void {
  writeFileSync(`${path}.tmp`, text);
  renameSync(`${path}.tmp`, path);
}

/** As Kubernetes mounts secrets: a folder a version behind a link to a link that is replaced by a rename. */
function swapFolder(folder: string, version: string, files: Readonly<Record<string, string>>): void {
  const mount = join(folder, 'mounted');
  mkdirSync(join(mount, version), { recursive: true });
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(mount, version, name), text);
    rmSync(join(mount, name), { force: true });
    symlinkSync(join('..data', name), join(mount, name));
  }
  rmSync(join(mount, '..data.tmp'), { force: true });
  symlinkSync(version, join(mount, '..data.tmp'));
  renameSync(join(mount, '..data.tmp'), join(mount, '..data'));
}

/** As certbot keeps them: numbered files of an archive, and links that are removed and made again one after another. */
function relink(folder: string, turn: number, { certificate, key }: KeyedCertificate): void {
  const [archive, live] = [join(folder, '..', 'archive'), join(folder, 'live')];
  mkdirSync(archive, { recursive: true });
  mkdirSync(live, { recursive: true });
  for (const [name, text] of [
    ['privkey', key],
    ['fullchain', certificate],
  ] as const) {
    writeFileSync(join(archive, `${name}${turn}.pem`), text);
    rmSync(join(live, `${name}.pem`), { force: true });
    symlinkSync(join(archive, `${name}${turn}.pem`), join(live, `${name}.pem`));
  }
}

let version = 0;
const half = (text: string): string => text.slice(0, text.length / 2);
const keepers: readonly Keeper[] = [
  {
    host: 'bundle.example',
    origin: 'bundle.pem',
    write: (folder, leaf, turn) => (turn % 2 === 0 ? swap : writeFileSync)(join(folder, 'bundle.pem'), together(leaf)),
    damage(folder, leaf) {
      writeFileSync(join(folder, 'bundle.pem'), half(together(leaf)));
      return /half written/;
    },
    remove: (folder) => rmSync(join(folder, 'bundle.pem')),
  },
  {
    host: 'pair.example',
    origin: 'pair.crt',
    write(folder, { certificate, key }, turn) {
      const files = [['pair.key', key] as const, ['pair.crt', certificate] as const];
      for (const [name, text] of turn % 2 === 0 ? files : files.reverse()) swap(join(folder, name), text);
    },
    damage(folder, leaf) {
      swap(join(folder, 'pair.key'), leaf.key);
      return /key does not match/;
    },
    remove: (folder) => rmSync(join(folder, 'pair.crt')),
  },
  {
    host: 'mounted.example',
    origin: 'mounted/tls.crt',
    write: (folder, { certificate, key }) =>
      swapFolder(folder, `..${version++}`, { 'tls.crt': certificate, 'tls.key': key }),
    damage(folder, { key }) {
      swapFolder(folder, `..${version++}`, { 'tls.crt': '', 'tls.key': key });
      return /empty/;
    },
    remove: (folder) => rmSync(join(folder, 'mounted'), { recursive: true }),
  },
  {
    host: 'live.example',
    origin: 'live/fullchain.pem',
    write: (folder, leaf) => relink(folder, version++, leaf),
    damage(folder) {
      rmSync(join(folder, 'live', 'fullchain.pem'));
      symlinkSync(join(folder, '..', 'archive', 'nobody.pem'), join(folder, 'live', 'fullchain.pem'));
      return /gone/;
    },
    remove: (folder) => rmSync(join(folder, 'live'), { recursive: true }),
  },
];

interface Listed {
  readonly name: string;
  readonly fingerprint: string;
  readonly problems: readonly string[];
}

/** The test's authority is in no file, which is no news. */
const faultsOf = (listed: Listed | undefined): readonly string[] =>
  (listed?.problems ?? []).filter((line) => !line.startsWith('incomplete chain'));

/** Handshakes with each host in turn until `stop`, every second one with the session of the last. */
function handshakes(site: Site, given: ReadonlyMap<string, ReadonlySet<string>>) {
  const wrong: string[] = [];
  const counts = { full: 0, resumed: 0 };
  let isOver = false;
  const callers = keepers.map(async ({ host }) => {
    let session: Buffer | null = null;
    for (let asked = 0; !isOver; asked++) {
      const offered = asked % 2 === 0 ? null : session;
      try {
        const answer = await askTls(site.port, host, host, { ca: ca.certificate, session: offered ?? undefined });
        counts[answer.resumed ? 'resumed' : 'full']++;
        session = answer.session ?? session;
        // A resumed session shows no certificate.
        const isGood = answer.resumed || given.get(host)?.has(answer.fingerprint) === true;
        if (answer.status !== 200 || !isGood)
          wrong.push(`${host}: ${answer.status} ${answer.names} ${answer.fingerprint}`);
      } catch (error) {
        wrong.push(`${host}: ${String(error)}`);
      }
    }
  });
  return {
    counts,
    async stop() {
      isOver = true;
      await Promise.all(callers);
      return wrong;
    },
  };
}

/** `rounds` times four changes, each seen in what the daemon says of its certificates. */
async function change(t: Test, workers: number, rounds: number): Promise<void> {
  const given = new Map(keepers.map(({ host }) => [host, new Set<string>()]));
  const issue = (host: string, days = 90): KeyedCertificate => {
    const leaf = ca.issue([host], days);
    given.get(host)?.add(new X509Certificate(leaf.certificate).fingerprint256);
    return leaf;
  };
  const site = await startSite({
    workers,
    files: { '0-default.pem': together(ca.issue(['default.example'])) },
    hosts: keepers.map(({ host }) => host),
  });
  t.teardown(() => site.close());
  const folder = join(site.folder, 'certs');
  const seen = (accept: (of: (host: string) => Listed | undefined) => boolean): Promise<unknown> =>
    site.daemon.until<Listed[]>('/v1/certs', (listed) =>
      accept((host) => listed.findLast(({ name }) => name === host)),
    );
  const writeAll = async (turn: number): Promise<void> => {
    const fresh = new Map<string, string>();
    for (const keeper of keepers) {
      const leaf = issue(keeper.host, 90 + turn);
      keeper.write(folder, leaf, turn);
      fresh.set(keeper.host, new X509Certificate(leaf.certificate).fingerprint256);
    }
    await seen((of) =>
      [...fresh].every(([host, print]) => of(host)?.fingerprint === print && faultsOf(of(host)).length === 0),
    );
  };
  mkdirSync(join(folder, 'live'));
  await writeAll(0);
  const load = handshakes(site, given);
  for (let round = 1; round <= rounds; round++) {
    if (round % 4 === 1 || round % 4 === 0) await writeAll(round);
    else if (round % 4 === 2) {
      const marks = keepers.map((keeper) => [keeper.host, keeper.damage(folder, ca.issue([keeper.host]))] as const);
      await seen((of) => marks.every(([host, mark]) => of(host)?.problems.some((line) => mark.test(line))));
    } else {
      for (const keeper of keepers) keeper.remove(folder);
      await seen((of) => keepers.every(({ host }) => of(host)?.problems.some((line) => /gone/.test(line))));
    }
  }
  t.same(await load.stop(), [], `${workers} workers: of ${load.counts.full} full and ${load.counts.resumed} resumed`);
  t.ok(load.counts.full > rounds / 4 && load.counts.resumed > rounds / 4, 'of both kinds');
  for (const { host } of keepers) {
    const last = [...(given.get(host) ?? [])].at(-1);
    const ask = async () => (await askTls(site.port, host, host, { ca: ca.certificate })).fingerprint;
    // Of several workers each hears of it in its own time.
    const isLast = (prints: readonly string[]): boolean => prints.every((print) => print === last);
    await eventually(host, 20_000, () => Promise.all([ask(), ask(), ask(), ask()]), isLast);
  }
}

// Four files a round: 200 changes in all.
for (const workers of [0, 2])
  t.test(`${workers} workers`, (t) => change(t, workers, Number(process.env['ISTHMUS_TEST_CHANGES'] ?? 200) / 4));
