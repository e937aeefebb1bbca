// What all areas of fuzzing share: their arguments, progress for people, and how a finding is told.

interface FuzzArgs {
  readonly count: number;
  readonly seed: number;
}

/** `--count N --seed N`; a text says what is wrong. Without a seed one is picked, and told with the result. */
function fuzzArgs(args: readonly string[], defaultCount: number): FuzzArgs | string {
  const values = { count: defaultCount, seed: Date.now() % 1_000_000 };
  for (let i = 0; i < args.length; i += 2) {
    const key = args[i]?.replace(/^--/, '');
    const value = Number(args[i + 1]);
    if ((key !== 'count' && key !== 'seed') || !Number.isInteger(value) || value < 0) {
      return `"${args.slice(i, i + 2).join(' ')}" is not understood: --count N --seed N`;
    }
    values[key] = value;
  }
  return values;
}

/** Thrown where something gave way: what, and the input that did it. */
export class Finding extends Error {
  readonly input: Buffer;

  constructor(what: string, input: Buffer) {
    super(what);
    this.input = input;
  }
}

/** Runs `work`, which calls back with what it has done, and turns its end into an exit code. `more`: options of the area's own. */
export async function runFuzz(
  area: string,
  args: readonly string[],
  defaultCount: number,
  work: (args: FuzzArgs, progress: (part: string, done: number) => void) => Promise<void>,
  more = '',
): Promise<number> {
  const parsed = fuzzArgs(args, defaultCount);
  if (typeof parsed === 'string') {
    process.stderr.write(`${parsed}\n`);
    return 2;
  }
  const startedAt = Date.now();
  let toldAt = startedAt;
  const progress = (part: string, done: number): void => {
    if (Date.now() - toldAt < 2000) return;
    toldAt = Date.now();
    process.stderr.write(`${area}: ${part}: ${done} of ${parsed.count}\n`);
  };
  const again = `npm run fuzz -- ${area} --count ${parsed.count} --seed ${parsed.seed}${more}`;
  try {
    await work(parsed, progress);
  } catch (error) {
    const input = error instanceof Finding ? `     input ${error.input.toString('hex')}\n` : '';
    const what = error instanceof Error ? error.message : String(error);
    process.stdout.write(`FAIL ${area}: ${what}\n${input}     again: ${again}\n`);
    return 1;
  }
  const seconds = ((Date.now() - startedAt) / 1000).toFixed(1);
  process.stdout.write(`ok   ${area}: ${parsed.count} inputs a part in ${seconds} s; again: ${again}\n`);
  return 0;
}
