// Expressions of circuit breakers as Traefik 1.7 has them (specs/l7.md §7.2): `NetworkErrorRatio() > 0.5 || LatencyAtQuantileMS(50.0) > 50`.

/** What is known of the requests of the last ten seconds. */
export interface BreakerFigures {
  /** Share of requests that no answer of a backend came for, 0 to 1. */
  networkErrorRatio(): number;
  requestCount(): number;
  /** Answers with a status in [from, to) by those in [ofFrom, ofTo); 0 where there are none of these. */
  codeRatio(from: number, to: number, ofFrom: number, ofTo: number): number;
  /** `percent`: 0 to 100. */
  latencyMs(percent: number): number;
}

export type Condition = (figures: BreakerFigures) => boolean;
type Value = (figures: BreakerFigures) => number;

const token = /\s*(?:(\d+(?:\.\d+)?)|([A-Za-z]+)|(&&|\|\||[<>=!]=|[<>!(),]))/y;
const longest = 1_000;

/** Null where it is none. Of operators Go's are known: `&&` binds closer than `||`, and `!` closest. */
export function parseBreakerExpression(text: string): Condition | null {
  if (text.length > longest) return null;
  const tokens: string[] = [];
  token.lastIndex = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    tokens.push(match[0].trim());
    if (token.lastIndex === text.trimEnd().length) return new Reader(tokens).whole();
  }
  return null;
}

const comparisons: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
};

const functions: Readonly<Record<string, { readonly parameters: number; of(args: readonly number[]): Value }>> = {
  /** Ours: so that a single failure opens nothing. */
  RequestCount: { parameters: 0, of: () => (figures) => figures.requestCount() },
  NetworkErrorRatio: { parameters: 0, of: () => (figures) => figures.networkErrorRatio() },
  LatencyAtQuantileMS: {
    parameters: 1,
    of:
      ([percent = 0]) =>
      (figures) =>
        figures.latencyMs(percent),
  },
  ResponseCodeRatio: {
    parameters: 4,
    of:
      ([from = 0, to = 0, ofFrom = 0, ofTo = 0]) =>
      (figures) =>
        figures.codeRatio(from, to, ofFrom, ofTo),
  },
};

class Reader {
  readonly #tokens: readonly string[];
  #at = 0;

  constructor(tokens: readonly string[]) {
    this.#tokens = tokens;
  }

  whole(): Condition | null {
    const condition = this.#either();
    return this.#at === this.#tokens.length ? condition : null;
  }

  #either(): Condition | null {
    let left = this.#both();
    while (left !== null && this.#take('||')) {
      const [first, second] = [left, this.#both()];
      left = second === null ? null : (figures) => first(figures) || second(figures);
    }
    return left;
  }

  #both(): Condition | null {
    let left = this.#single();
    while (left !== null && this.#take('&&')) {
      const [first, second] = [left, this.#single()];
      left = second === null ? null : (figures) => first(figures) && second(figures);
    }
    return left;
  }

  #single(): Condition | null {
    if (this.#take('!')) {
      const condition = this.#single();
      return condition === null ? null : (figures) => !condition(figures);
    }
    if (this.#take('(')) {
      const condition = this.#either();
      return this.#take(')') ? condition : null;
    }
    return this.#comparison();
  }

  #comparison(): Condition | null {
    const left = this.#value();
    const compare = comparisons[this.#tokens[this.#at++] ?? ''];
    const right = this.#value();
    if (left === null || compare === undefined || right === null) return null;
    return (figures) => compare(left(figures), right(figures));
  }

  #value(): Value | null {
    const number = this.#number();
    if (number !== null) return () => number;
    const name = this.#tokens[this.#at++] ?? '';
    const known = Object.hasOwn(functions, name) ? functions[name] : undefined;
    if (known === undefined || !this.#take('(')) return null;
    const args: number[] = [];
    while (!this.#take(')')) {
      if (args.length > 0 && !this.#take(',')) return null;
      const arg = this.#number();
      if (arg === null) return null;
      args.push(arg);
    }
    return args.length === known.parameters ? known.of(args) : null;
  }

  #number(): number | null {
    const text = this.#tokens[this.#at] ?? '';
    if (!/^\d/.test(text)) return null;
    this.#at++;
    return Number(text);
  }

  #take(text: string): boolean {
    if (this.#tokens[this.#at] !== text) return false;
    this.#at++;
    return true;
  }
}
