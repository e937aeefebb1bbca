// What a test needs of the machine: `t.test(name, { skip: needs('root', 'dig') }, ...)` runs the test where all of it is
// there and says what is missing where it is not.

import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { delimiter, join } from 'node:path';

/** The Debian package of a command; .ci/run installs every one that a test asks for. */
export const packages = {
  curl: 'curl',
  dig: 'bind9-dnsutils',
  nsupdate: 'bind9-dnsutils',
  named: 'bind9',
  kdig: 'knot-dnsutils',
  drill: 'ldnsutils',
  nc: 'netcat-openbsd',
  ncat: 'ncat',
  socat: 'socat',
  haproxy: 'haproxy',
  openssl: 'openssl',
  ip: 'iproute2',
  nft: 'nftables',
  conntrack: 'conntrack',
  unshare: 'util-linux',
  setpriv: 'util-linux',
  tc: 'iproute2',
  tcpdump: 'tcpdump',
  etcd: 'etcd-server',
  h2load: 'nghttp2-client',
  nghttp: 'nghttp2-client',
  wrk: 'wrk',
  ab: 'apache2-utils',
  htpasswd: 'apache2-utils',
  java: 'default-jdk-headless',
  javac: 'default-jdk-headless',
  chromium: 'chromium',
  'redis-cli': 'redis-tools',
  'redis-server': 'redis-server',
  strace: 'strace',
  script: 'bsdutils',
  testssl: 'testssl.sh',
  git: 'git',
  proxychains4: 'proxychains4',
  psql: 'postgresql-client',
  ssh: 'openssh-client',
  sshd: 'openssh-server',
  pebble: 'pebble',
  python3: 'python3',
  'systemd-analyze': 'systemd',
  'systemd-notify': 'systemd',
  'systemd-socket-activate': 'systemd',
} as const;

type Command = keyof typeof packages;
type Need = Command | keyof typeof abilities;

/** What is more than a command. Each answers with what is missing, or false. */
const abilities = {
  root: () => process.getuid?.() !== 0 && 'needs root',
  netns: () => !succeeds('unshare', '--net', 'true') && 'needs leave to make a network namespace (root, CAP_SYS_ADMIN)',
  nftables: () =>
    missing('nft') ||
    (!succeeds('unshare', '--net', 'nft', 'list', 'ruleset') && 'needs nftables in the kernel, and root'),
  pacparser: () =>
    !succeeds('/usr/bin/python3', '-W', 'ignore', '-c', 'import pacparser') &&
    'needs pacparser (apt install python3-pacparser)',
  pysocks: () => !succeeds('/usr/bin/python3', '-c', 'import socks') && 'needs PySocks (apt install python3-socks)',
  postgresql: () => postgresqlPrograms() === null && 'needs the server of PostgreSQL (apt install postgresql)',
  zookeeper: () =>
    !existsSync('/usr/share/java/zookeeper.jar') && 'needs the jars of ZooKeeper (apt install zookeeper)',
  ipv6: () =>
    !Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1')) &&
    'needs IPv6 (::1)',
};

/** False if everything is there, else the reason to skip, as tap's `skip` option takes it. */
export function needs(...wanted: readonly Need[]): string | false {
  for (const need of wanted) {
    const reason = isAbility(need) ? abilities[need]() : missing(need);
    if (reason !== false) return reason;
  }
  return false;
}

/** Where the server's programs lie, which Debian keeps off the path: the newest version; null: nowhere. */
export function postgresqlPrograms(): string | null {
  const versions = '/usr/lib/postgresql';
  if (!existsSync(versions)) return null;
  const folders = readdirSync(versions)
    .sort((a, b) => Number(b) - Number(a))
    .map((version) => join(versions, version, 'bin'));
  return folders.find((folder) => existsSync(join(folder, 'initdb'))) ?? null;
}

function isAbility(need: Need): need is keyof typeof abilities {
  return need in abilities;
}

function missing(command: Command): string | false {
  return !isOnPath(command) && `needs ${command} (apt install ${packages[command]})`;
}

function isOnPath(command: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function succeeds(command: string, ...args: readonly string[]): boolean {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}
