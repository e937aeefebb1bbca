// A real ZooKeeper for tests: servers from the Debian package's jars, on loopback, each an own process, with directories of their own.

import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { eventually } from '../../feature/cluster.ts';
import { freeBlock } from '../../free-block.ts';

const jars = [
  'zookeeper',
  'zookeeper-jute',
  'slf4j-api',
  'slf4j-nop',
  'log4j-1.2',
  'netty-all',
  'commons-cli',
  'metrics-core',
  'snappy-java',
]
  .map((name) => `/usr/share/java/${name}.jar`)
  .filter((path) => existsSync(path))
  .join(':');

export interface Ensemble {
  readonly servers: readonly { readonly host: string; readonly port: number }[];
  /** Runs commands of zkCli on one server, such as `create /mesos ""`. */
  start(index: number): Promise<void>;
  kill(index: number): Promise<void>;
  close(): Promise<void>;
}

/** Three servers that are ready to serve. Their addresses are of a loopback block of their own, so that ports need not be searched for. */
export async function startEnsemble(directory: string): Promise<Ensemble> {
  const block = await freeBlock(2181);
  const hosts = [1, 2, 3].map((n) => `127.${block}.0.${n}`);
  const members = hosts.map((host, n) => `server.${n + 1}=${host}:2888:3888`).join('\n');
  const running: (ChildProcess | undefined)[] = [];
  const start = async (index: number): Promise<void> => {
    const host = hosts[index] as string;
    const home = join(directory, `zk${index + 1}`);
    mkdirSync(join(home, 'data'), { recursive: true });
    writeFileSync(join(home, 'data/myid'), `${index + 1}\n`);
    const settings = `tickTime=300\ninitLimit=40\nsyncLimit=20\ndataDir=${home}/data\nadmin.enableServer=false\n`;
    const limits = 'minSessionTimeout=600\nmaxSessionTimeout=40000\n4lw.commands.whitelist=*\n';
    writeFileSync(
      join(home, 'zoo.cfg'),
      `${settings}${limits}clientPort=2181\nclientPortAddress=${host}\n${members}\n`,
    );
    const flags = ['-Xmx64m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dzookeeper.admin.enableServer=false'];
    const main = 'org.apache.zookeeper.server.quorum.QuorumPeerMain';
    running[index] = spawn('java', [...flags, '-cp', jars, main, join(home, 'zoo.cfg')], { stdio: 'ignore' });
  };
  const kill = async (index: number): Promise<void> => {
    const child = running[index];
    running[index] = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  };
  await Promise.all([0, 1, 2].map(start));
  await Promise.all(
    hosts.map((host) =>
      eventually(
        `${host} serves`,
        60_000,
        () => mode(host),
        (seen) => /Mode: \w+/.test(seen),
      ),
    ),
  );
  return {
    servers: hosts.map((host) => ({ host, port: 2181 })),
    start,
    kill,
    async close() {
      await Promise.all([0, 1, 2].map(kill));
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** What a server says to `srvr`; nothing while it does not serve. */
function mode(host: string): Promise<string> {
  return new Promise((resolve) => {
    let said = '';
    const socket = connect({ host, port: 2181 }, () => socket.write('srvr'));
    socket.setTimeout(2000, () => socket.destroy());
    socket.on('data', (chunk) => (said += chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(said));
  });
}
