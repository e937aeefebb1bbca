// The rules of the import table, as a function of one import; imports.test.ts runs it on every one, and on made-up ones.

import { isBuiltin } from 'node:module';
import { posix } from 'node:path';
import { type Area, areas, closedSubfolders, reservedTo, withinParent } from './import-table.ts';
import type { Import } from './sources.ts';

/** What is wrong with `from` importing `to`, or undefined. `listed` are the packages that package.json has for run time. */
export function importProblem(from: string, to: Import, listed: readonly string[]): string | undefined {
  const area = areaOf(from);
  if (area === undefined) return 'is in no folder of the import table';
  return to.file === undefined ? moduleProblem(area, to, listed) : fileProblem(area, from, to.file);
}

/** The paths of files that import each other in a circle, each circle once; types alone close no circle. */
export function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): void => {
    const start = path.indexOf(file);
    if (start >= 0) found.push([...path.slice(start), file]);
    if (start >= 0 || done.has(file)) return;
    path.push(file);
    for (const next of graph.get(file) ?? []) visit(next);
    path.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return found;
}

function areaOf(file: string): Area | undefined {
  return areas
    .filter(({ folder }) => isIn(file, folder))
    .reduce<Area | undefined>(
      (best, area) => (best && best.folder.length > area.folder.length ? best : area),
      undefined,
    );
}

function moduleProblem(area: Area, to: Import, listed: readonly string[]): string | undefined {
  if (isBuiltin(to.specifier)) {
    if (!to.specifier.startsWith('node:')) return `write node:${to.specifier}`;
    if (area.node === 'all' || (area.node === 'types' && to.isTypeOnly)) return undefined;
    return area.node === 'types'
      ? `${area.folder} may import types alone from Node`
      : `${area.folder} imports nothing of Node`;
  }
  if (area.packages === 'everything') return undefined;
  const name = packageOf(to.specifier);
  if (!listed.includes(name)) return `package ${name} is not one of package.json's dependencies`;
  if (area.packages === 'listed' || area.packages.includes(name)) return undefined;
  return `${area.folder} may not import package ${name}`;
}

function fileProblem(area: Area, from: string, to: string): string | undefined {
  const reserved = reservedTo.find(({ folder }) => isIn(to, folder));
  if (reserved !== undefined && !reserved.from.test(from)) return `${reserved.folder} is not for ${from}`;
  const target = areaOf(to);
  if (target === undefined) return isManifest(to) ? undefined : `${to} is outside the folders of the import table`;
  const [here, there] = [familyOf(area), familyOf(target)];
  if (here === there) return subfolderProblem(here, from, to);
  if (!area.may.includes(there)) return `${area.folder} may not import ${there}`;
  return area.throughIndex.includes(there) && !isIndex(to) ? `${there} is imported through an index.ts` : undefined;
}

function subfolderProblem(area: string, from: string, to: string): string | undefined {
  if (!closedSubfolders.includes(area)) return undefined;
  const [here, there] = [subfolderOf(area, from), subfolderOf(area, to)];
  const isClosed = there !== undefined && here !== there && !isIndex(to);
  return isClosed ? `${area}/${there} is imported through its index.ts` : undefined;
}

function subfolderOf(area: string, file: string): string | undefined {
  const rest = file.slice(area.length + 1).split('/');
  return rest.length > 1 ? rest[0] : undefined;
}

function familyOf({ folder }: Area): string {
  return withinParent.includes(folder) ? posix.dirname(folder) : folder;
}

function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function isIn(file: string, folder: string): boolean {
  return file.startsWith(`${folder}/`);
}

function isIndex(file: string): boolean {
  return posix.basename(file) === 'index.ts';
}

function isManifest(file: string): boolean {
  return file === 'package.json';
}
