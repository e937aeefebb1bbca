// `npm run fuzz -- AREA --count N --seed N`: feeds a decoder what nobody should send it.

type Run = (args: readonly string[]) => Promise<number>;

const areas: Readonly<Record<string, Run | undefined>> = {
  // A runner is one line here, answers with the exit code, and is loaded only when asked for:
  // `dns: (args) => import('./dns.ts').then(({ run }) => run(args)),`
  dns: (args) => import('./dns.ts').then(({ run }) => run(args)),
  http1: (args) => import('./http1.ts').then(({ run }) => run(args)),
  http2: (args) => import('./http2.ts').then(({ run }) => run(args)),
  'http2-backend': (args) => import('./http2-backend.ts').then(({ run }) => run(args)),
  tls: (args) => import('./tls.ts').then(({ run }) => run(args)),
  cluster: (args) => import('./cluster.ts').then(({ run }) => run(args)),
  hpack: undefined,
  socks: undefined,
  recordio: undefined,
  marathon: undefined,
};

const [area = '', ...args] = process.argv.slice(2);
const run = areas[area];
if (run === undefined) {
  process.stderr.write(`usage: npm run fuzz -- ${Object.keys(areas).join('|')} --count N --seed N\n`);
  if (area in areas) process.stderr.write(`there is no runner for ${area} yet\n`);
  process.exitCode = 2;
} else {
  process.exitCode = await run(args);
}
