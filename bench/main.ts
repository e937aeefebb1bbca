// `npm run bench -- AREA`: measures one area beside its peers, prints the table and writes bench/results.

const areas: Readonly<Record<string, (() => Promise<{ run(args: readonly string[]): Promise<number> }>) | undefined>> =
  {
    // A runner is a line here: `dns: () => import('./dns.ts'),` where `run` answers with the exit code.
    dns: undefined,
    router: undefined,
    tls: undefined,
    http2: undefined,
    vip: undefined,
    proxies: undefined,
    propagation: undefined,
  };

const [area = '', ...args] = process.argv.slice(2);
const load = areas[area];
if (load === undefined) {
  process.stderr.write(`usage: npm run bench -- ${Object.keys(areas).join('|')}\n`);
  if (area in areas) process.stderr.write(`there is no runner for ${area} yet\n`);
  process.exitCode = 2;
} else {
  process.exitCode = await (await load()).run(args);
}
