// Holds every import of the project against the import table, and the table's rules against imports made up for them.

import { posix } from 'node:path';
import t from 'tap';
import { cycles, importProblem } from './import-rules.ts';
import { deepest, emptyNames } from './import-table.ts';
import { exists, importsOf, readSource, sourceFiles } from './sources.ts';

const manifest = JSON.parse(readSource('package.json')) as { dependencies: Record<string, string> };
const listed = Object.keys(manifest.dependencies);
const files = sourceFiles();
const imports = new Map(files.map((file) => [file, importsOf(file)] as const));

t.test('every import is one that the table allows', async (t) => {
  const problems = [...imports].flatMap(([file, list]) =>
    list.flatMap((to) => {
      const problem = importProblem(file, to, listed);
      return problem === undefined ? [] : [`${file}:${to.line} imports ${to.specifier}: ${problem}`];
    }),
  );
  t.strictSame(problems, []);
});

t.test('every relative import names a file, with its ending', async (t) => {
  const problems = [...imports].flatMap(([file, list]) =>
    list
      .filter((to) => to.file !== undefined && (!/\.(ts|js|json)$/.test(to.file) || !exists(to.file)))
      .map((to) => `${file}:${to.line} imports ${to.specifier}`),
  );
  t.strictSame(problems, []);
});

t.test('no files import each other in a circle', async (t) => {
  const graph = new Map(
    [...imports].map(
      ([file, list]) => [file, list.flatMap((to) => (to.file && !to.isTypeOnly ? [to.file] : []))] as const,
    ),
  );
  t.strictSame(
    cycles(graph).map((circle) => circle.join(' → ')),
    [],
  );
});

t.test(`no folder is deeper than ${deepest} levels`, async (t) => {
  const folders = new Set(files.map((file) => posix.dirname(file)));
  t.strictSame(
    [...folders].filter((folder) => folder.split('/').length > deepest),
    [],
  );
});

t.test('no file or folder has a name that says nothing', async (t) => {
  const isEmpty = (part: string): boolean => emptyNames.includes(part.replace(/(\.test)?\.ts$/, ''));
  t.strictSame(
    files.filter((file) => file.split('/').some(isEmpty)),
    [],
  );
});

t.test('the rules refuse what they are there for', async (t) => {
  const cases: readonly (readonly [from: string, code: string, expected: RegExp | undefined])[] = [
    ['src/cluster/task.ts', "import { readFileSync } from 'node:fs';", /nothing of Node/],
    ['src/cluster/task.ts', "import { z } from 'zod';", /may not import package zod/],
    ['src/cluster/task.ts', "import { log } from '../runtime/log.ts';", /may not import src\/runtime/],
    ['src/cluster/task.ts', "import { id } from './id.ts';", undefined],
    ['src/ports/plane.ts', "import type { Socket } from 'node:net';", undefined],
    ['src/ports/plane.ts', "import { Socket } from 'node:net';", /types alone/],
    ['src/runtime/log.ts', "import { pino } from 'pino';", undefined],
    ['src/runtime/log.ts', "import leftPad from 'left-pad';", /not one of package.json/],
    ['src/runtime/log.ts', "import { createServer } from 'net';", /write node:net/],
    ['src/orchestrator/mesos/watch.ts', "import { apply } from '../../../dns/index.ts';", /may not import dns/],
    ['src/orchestrator/mesos/watch.ts', "import { reduce } from '../../cluster/reduce.ts';", undefined],
    ['dns/server.ts', "import { pick } from '../lb/index.ts';", /may not import lb/],
    ['dns/wire/name.ts', "import dns2 from 'dns2';", /not one of package.json/],
    ['lb/policies/maglev.ts', "import { request } from 'undici';", /may not import package undici/],
    ['lb/health/http.ts', "import { request } from 'undici';", undefined],
    ['lb/health/http.ts', "import { table } from '../vip-table.ts';", undefined],
    ['proxies/router/phases.ts', "import { pick } from '../../lb/index.ts';", undefined],
    ['proxies/router/phases.ts', "import { pick } from '../../lb/policies/maglev.ts';", /through an index\.ts/],
    ['proxies/router/phases.ts', "import { frame } from '../http1/index.ts';", undefined],
    ['proxies/router/phases.ts', "import { frame } from '../http1/frame.ts';", /through its index\.ts/],
    ['proxies/http1/frame.ts', "import { field } from './field.ts';", undefined],
    ['src/daemon/compose-control.ts', "import { zone } from '../../dns/zone.ts';", /through an index\.ts/],
    ['src/daemon/compose-control.ts', "import { zone } from '../../dns/index.ts';", undefined],
    ['src/daemon/compose-control.ts', "import { run } from '../cli/index.ts';", /may not import src\/cli/],
    ['src/daemon/compose-control.ts', "import { master } from '../fakes/index.ts';", /not for/],
    ['src/cli/demo.ts', "import { master } from '../fakes/index.ts';", undefined],
    ['src/cli/run.ts', "import { master } from '../fakes/index.ts';", /not for/],
    ['src/cli/run.ts', "const late = await import('../../test/needs.ts');", /may not import test/],
    ['src/cli/run.ts', "type Late = import('../../bench/main.ts').Late;", /may not import bench/],
    ['src/cli/main.ts', "import manifest from '../../package.json' with { type: 'json' };", undefined],
    ['test/dns/zone.test.ts', "import dns2 from 'dns2';", undefined],
    ['elsewhere/file.ts', "import 'node:fs';", /no folder of the import table/],
  ];
  for (const [from, code, expected] of cases) {
    const [to] = importsOf(from, code);
    const problem = to && importProblem(from, to, listed);
    if (expected === undefined) t.equal(problem, undefined, `${from}: ${code}`);
    else t.match(problem, expected, `${from}: ${code}`);
  }
});

t.test('imports of every form are seen, and a circle is found', async (t) => {
  const code = [
    "import type { A } from './a.ts';",
    "import { type B } from './b.ts';",
    "export * from './c.ts';",
    "const d = await import('./d.ts');",
    "type E = import('./e.ts').E;",
  ].join('\n');
  t.strictSame(
    importsOf('lb/x.ts', code).map((to) => `${to.file} ${to.line} ${to.isTypeOnly}`),
    ['lb/a.ts 1 true', 'lb/b.ts 2 false', 'lb/c.ts 3 false', 'lb/d.ts 4 false', 'lb/e.ts 5 true'],
  );
  const graph = new Map([
    ['a', ['b']],
    ['b', ['c']],
    ['c', ['a']],
    ['d', ['a']],
  ]);
  t.strictSame(cycles(graph), [['a', 'b', 'c', 'a']]);
});
