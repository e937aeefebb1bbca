// The architecture as data: which folder may import what. ARCHITECTURE.md holds the same table for people; whoever
// changes one changes the other in the same commit. Checked by imports.test.ts, and by eslint for package names.

export interface Area {
  /** A folder; the longest one that holds a file speaks for it. */
  readonly folder: string;
  /** Folders besides its own that it may import. */
  readonly may: readonly string[];
  /** Of those, the ones that show it their `index.ts` alone. */
  readonly throughIndex: readonly string[];
  /** Modules of Node itself: all, their types alone, or none. */
  readonly node: 'all' | 'types' | 'none';
  /** npm packages: those that package.json lists for run time, these alone, or everything. */
  readonly packages: 'listed' | 'everything' | readonly string[];
}

const base = ['src/cluster', 'src/ports', 'src/runtime'];
const proxies = ['lb', 'certs', 'dns'];
const folders = [...base, 'src/orchestrator', 'src/store', 'src/daemon', 'certs', 'dns', 'lb', 'proxies'];
const sources = [...folders, 'src/cli', 'src/fakes'];

export const areas: readonly Area[] = [
  { folder: 'src/cluster', may: [], throughIndex: [], node: 'none', packages: [] },
  { folder: 'src/runtime', may: [], throughIndex: [], node: 'all', packages: 'listed' },
  { folder: 'src/ports', may: ['src/cluster'], throughIndex: [], node: 'types', packages: [] },
  { folder: 'src/orchestrator', may: base, throughIndex: [], node: 'all', packages: 'listed' },
  { folder: 'src/store', may: base, throughIndex: [], node: 'all', packages: 'listed' },
  { folder: 'src/fakes', may: base, throughIndex: [], node: 'all', packages: 'listed' },
  { folder: 'src/daemon', may: folders, throughIndex: folders, node: 'all', packages: 'listed' },
  { folder: 'src/cli', may: sources, throughIndex: sources, node: 'all', packages: 'listed' },
  { folder: 'certs', may: base, throughIndex: [], node: 'all', packages: 'listed' },
  { folder: 'dns', may: base, throughIndex: [], node: 'all', packages: [] },
  { folder: 'lb', may: base, throughIndex: [], node: 'all', packages: [] },
  // Health checks are HTTP client jobs, off the hot path.
  { folder: 'lb/health', may: base, throughIndex: [], node: 'all', packages: ['undici'] },
  { folder: 'proxies', may: [...base, ...proxies], throughIndex: proxies, node: 'all', packages: [] },
  { folder: 'test', may: [...sources, 'bench'], throughIndex: [], node: 'all', packages: 'everything' },
  { folder: 'bench', may: [...sources, 'test'], throughIndex: [], node: 'all', packages: 'everything' },
];

/** Areas of their own only for what they may import from outside: among their siblings they are one. */
export const withinParent: readonly string[] = ['lb/health'];

/** Folders whose subfolders show each other their `index.ts` alone. */
export const closedSubfolders: readonly string[] = ['proxies'];

/** Files of an area that may import what the rest of it may not. */
export const reservedTo: readonly { readonly folder: string; readonly from: RegExp }[] = [
  { folder: 'src/fakes', from: /^(src\/cli\/demo[a-z-]*(\.ts$|\/)|src\/fakes\/|test\/|bench\/)/ },
];

/** Levels of folders, the top one included. */
export const deepest = 3;

/** Names that say nothing of what a file or folder holds. */
export const emptyNames: readonly string[] = ['utils', 'util', 'helpers', 'helper', 'common', 'types', 'misc'];
