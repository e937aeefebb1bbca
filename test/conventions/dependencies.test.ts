// Every package that the project depends on has a row in CONTRIBUTING.md that says why: `| `name` | ...`.

import t from 'tap';
import { exists, readSource } from './sources.ts';

type Versions = Readonly<Record<string, string>>;

const manifest = JSON.parse(readSource('package.json')) as {
  readonly dependencies: Versions;
  readonly devDependencies: Versions;
  readonly optionalDependencies: Versions;
};
const all = { ...manifest.dependencies, ...manifest.devDependencies, ...manifest.optionalDependencies };

t.test('every dependency has a row in CONTRIBUTING.md', async (t) => {
  const rows = documented();
  t.strictSame(
    Object.keys(all).filter((name) => !rows.has(name)),
    [],
  );
});

t.test('every version is exact', async (t) => {
  t.strictSame(
    Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version)),
    [],
  );
});

function documented(): Set<string> {
  if (!exists('CONTRIBUTING.md')) return new Set();
  return new Set([...readSource('CONTRIBUTING.md').matchAll(/^\|\s*`([^`]+)`\s*\|/gm)].map(([, name = '']) => name));
}
