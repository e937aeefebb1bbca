// `npm run conformance -- AREA FOLDER`: runs every case file of a folder against the program.

const areas: Readonly<Record<string, (() => Promise<{ run(args: readonly string[]): Promise<number> }>) | undefined>> =
  {
    // A runner is a line here: `dns: () => import('./dns.ts'),` where `run` answers with the exit code.
    dns: undefined,
    l4lb: undefined,
    l7: undefined,
    orchestrator: undefined,
    hpack: undefined,
  };

const [area = '', ...args] = process.argv.slice(2);
const load = areas[area];
if (load === undefined) {
  process.stderr.write(`usage: npm run conformance -- ${Object.keys(areas).join('|')} FOLDER\n`);
  if (area in areas) process.stderr.write(`there is no runner for ${area} yet\n`);
  process.exitCode = 2;
} else {
  process.exitCode = await (await load()).run(args);
}
