// What no section can know alone: two listeners on one address, parents that nobody configured, files that are not there yet, and what
// works but is seldom meant. They look at plain values, so that all of this is told beside any other mistake.

import { resolve } from 'node:path';
import { outerZone } from './dns-names.ts';
import { kindOf } from './file-fields.ts';
import { listenConflicts } from './listen-conflicts.ts';
import { nearestKey } from './nearest-key.ts';
import type { ConfigPath, Finding } from './problem.ts';
import { isMap, rawAt, rawList } from './raw-value.ts';

/** `folder`: what relative paths are relative to. */
export function crossChecks(tree: unknown, folder: string): readonly Finding[] {
  return [
    ...listenConflicts(tree),
    ...unknownParents(tree),
    ...absentFiles(tree, folder),
    ...acmeWithoutStore(tree),
    ...zonesInZones(tree),
    ...mastersWithoutPort(tree),
  ];
}

/** The longer zone answers; Mesos-DNS refuses such a configuration (specs/dns.md §4.6). */
function zonesInZones(tree: unknown): readonly Finding[] {
  const zones = rawAt(tree, ['dns', 'forwardZones']);
  const names = isMap(zones) ? Object.keys(zones) : [];
  return names.flatMap((name) => {
    const outer = outerZone(name, names);
    if (outer === undefined) return [];
    const message = `"${name}" lies inside ${outer}, which is forwarded too: its own servers are asked for what is in it`;
    const remedy = 'leave it so if that is meant, else keep one of the two';
    return [{ path: ['dns', 'forwardZones', name], message, remedy, severity: 'warning' } as const];
  });
}

/** A scheme's port is seldom that of a master. */
function mastersWithoutPort(tree: unknown): readonly Finding[] {
  return rawList(rawAt(tree, ['cluster'])).flatMap((source, index) =>
    rawList(rawAt(source, ['mesos', 'masters'])).flatMap((url, place) => {
      const [, scheme, host] = /^(https?):\/\/(\[[^\]]*\]|[^/:@[\]]+)\/*$/i.exec(String(url)) ?? [];
      if (scheme === undefined || host === undefined) return [];
      const message = `"${String(url)}" names no port, so that ${scheme.toLowerCase() === 'http' ? 80 : 443} is asked`;
      const remedy = `write ${scheme}://${host}:5050, unless a master or a proxy listens there`;
      const path = ['cluster', index, 'mesos', 'masters', place];
      return [{ path, message, remedy, severity: 'warning' } as const];
    }),
  );
}

function unknownParents(tree: unknown): readonly Finding[] {
  const parents = rawAt(tree, ['parents']);
  const known = isMap(parents) ? Object.keys(parents) : [];
  return ['socks', 'httpProxy'].flatMap((section) =>
    rawList(rawAt(tree, [section, 'rules'])).flatMap((rule, index) => {
      const via = isMap(rule) ? rule['via'] : undefined;
      return typeof via !== 'string' || known.includes(via)
        ? []
        : [unknownParent([section, 'rules', index, 'via'], via, known)];
    }),
  );
}

function unknownParent(path: ConfigPath, via: string, known: readonly string[]): Finding {
  const near = nearestKey(via, known);
  const choice =
    known.length === 0 ? `add parents: { ${via}: ["http://HOST:PORT"] }` : `known parents: ${known.join(', ')}`;
  return {
    path,
    message: `"${via}" is not a key of parents`,
    remedy: near === null ? choice : `did you mean "${near}"?`,
    severity: 'error',
  };
}

/** Works, and orders everything again after each start, which authorities soon refuse. */
function acmeWithoutStore(tree: unknown): readonly Finding[] {
  const place = rawList(rawAt(tree, ['certs'])).findIndex((source) => isMap(rawAt(source, ['acme'])));
  const store = rawAt(tree, ['store']);
  if (place < 0 || (store !== undefined && store !== null)) return [];
  const message = 'has no store: account and certificates are lost with each start, and authorities limit orders';
  return [
    { path: ['certs', place, 'acme'], message, remedy: 'add store: { dir: /var/lib/isthmus }', severity: 'warning' },
  ];
}

/** Files that are watched, and so may come later: worth a word, not a refusal. */
function absentFiles(tree: unknown, folder: string): readonly Finding[] {
  const watched: readonly (readonly [path: ConfigPath, value: unknown])[] = [
    ...rawList(rawAt(tree, ['cluster'])).map(
      (source, index) => [['cluster', index, 'file', 'path'], rawAt(source, ['file', 'path'])] as const,
    ),
    ...rawList(rawAt(tree, ['certs'])).map(
      (source, index) => [['certs', index, 'directory'], rawAt(source, ['directory'])] as const,
    ),
    ...rawList(rawAt(tree, ['router', 'marathonLb', 'sslCerts'])).map(
      (path, index) => [['router', 'marathonLb', 'sslCerts', index], path] as const,
    ),
  ];
  return watched.flatMap(([path, value]) => {
    if (typeof value !== 'string' || kindOf(resolve(folder, value)) !== null) return [];
    const message = `names ${resolve(folder, value)}, which does not exist yet`;
    return [
      {
        path,
        message,
        remedy: 'nothing comes from it until it does: create it, or correct the path',
        severity: 'warning',
      } as const,
    ];
  });
}
