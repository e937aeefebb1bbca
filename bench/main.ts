// `npm run bench -- AREA`: measures one area beside its peers, prints the table and writes bench/results.

type Run = (args: readonly string[]) => Promise<number>;

const areas: Readonly<Record<string, Run | undefined>> = {
  // A runner is one line here, answers with the exit code, and is loaded only when asked for:
  // `dns: (args) => import('./dns.ts').then(({ run }) => run(args)),`
  dns: (args) => import('./dns.ts').then(({ run }) => run(args)),
  'dns-event': (args) => import('./dns-event.ts').then(({ run }) => run(args)),
  policies: (args) => import('./policies.ts').then(({ run }) => run(args)),
  router: (args) => import('./router.ts').then(({ run }) => run(args)),
  routes: (args) => import('./routes.ts').then(({ run }) => run(args)),
  tls: (args) => import('./tls.ts').then(({ run }) => run(args)),
  http2: (args) => import('./http2.ts').then(({ run }) => run(args)),
  vip: (args) => import('./vip.ts').then(({ run }) => run(args)),
  proxies: (args) => import('./proxies.ts').then(({ run }) => run(args)),
  workers: (args) => import('./workers.ts').then(({ run }) => run(args)),
  upgrade: (args) => import('./upgrade.ts').then(({ run }) => run(args)),
  snapshot: (args) => import('./snapshot.ts').then(({ run }) => run(args)),
  propagation: (args) => import('./propagation.ts').then(({ run }) => run(args)),
};

const [area = '', ...args] = process.argv.slice(2);
const run = areas[area];
if (run === undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(areas).join('|')}\n`);
  if (area in areas) process.stderr.write(`there is no runner for ${area} yet\n`);
  process.exitCode = 2;
} else {
  process.exitCode = await run(args);
}
