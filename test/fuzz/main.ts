// `npm run fuzz -- AREA --count N --seed N`: feeds a decoder what nobody should send it.

const areas: Readonly<Record<string, (() => Promise<{ run(args: readonly string[]): Promise<number> }>) | undefined>> =
  {
    // A runner is a line here: `dns: () => import('./dns.ts'),` where `run` answers with the exit code.
    dns: undefined,
    http1: undefined,
    http2: undefined,
    hpack: undefined,
    socks: undefined,
    recordio: undefined,
    marathon: undefined,
  };

const [area = '', ...args] = process.argv.slice(2);
const load = areas[area];
if (load === undefined) {
  process.stderr.write(`usage: npm run fuzz -- ${Object.keys(areas).join('|')} --count N --seed N\n`);
  if (area in areas) process.stderr.write(`there is no runner for ${area} yet\n`);
  process.exitCode = 2;
} else {
  process.exitCode = await (await load()).run(args);
}
