// Expressions as Traefik 1.7 takes them for breakers and retries: functions, comparisons, `&&`, `||`, `!` and brackets, with Go's precedence.

type Kind = 'number' | 'text' | 'truth';

export interface ExpressionFunction<F> {
  readonly kind: Kind;
  /** How many numbers it takes. */
  readonly parameters: number;
  of(args: readonly number[]): (facts: F) => number | string | boolean;
}

export type Functions<F> = Readonly<Record<string, ExpressionFunction<F>>>;

interface Operand<F> {
  readonly kind: Kind;
  readonly of: (facts: F) => number | string | boolean;
}

type Condition<F> = (facts: F) => boolean;

const token = /\s*(?:(\d+(?:\.\d+)?)|"[^"\\]*"|([A-Za-z]+)|(&&|\|\||[<>=!]=|[<>!(),]))/y;
const longest = 1_000;

/** Null where it is none. */
export function parseExpression<F>(text: string, functions: Functions<F>): Condition<F> | null {
  if (text.length > longest) return null;
  const tokens: string[] = [];
  token.lastIndex = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    tokens.push(match[0].trim());
    if (token.lastIndex === text.trimEnd().length) return new Reader(tokens, functions).whole();
  }
  return null;
}

type Compared = number | string | boolean;

const comparisons: Readonly<Record<string, (a: Compared, b: Compared) => boolean>> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
};

class Reader<F> {
  readonly #tokens: readonly string[];
  readonly #functions: Functions<F>;
  #at = 0;

  constructor(tokens: readonly string[], functions: Functions<F>) {
    this.#tokens = tokens;
    this.#functions = functions;
  }

  whole(): Condition<F> | null {
    const condition = this.#either();
    return this.#at === this.#tokens.length ? condition : null;
  }

  #either(): Condition<F> | null {
    let left = this.#both();
    while (left !== null && this.#take('||')) {
      const [first, second] = [left, this.#both()];
      left = second === null ? null : (facts) => first(facts) || second(facts);
    }
    return left;
  }

  #both(): Condition<F> | null {
    let left = this.#single();
    while (left !== null && this.#take('&&')) {
      const [first, second] = [left, this.#single()];
      left = second === null ? null : (facts) => first(facts) && second(facts);
    }
    return left;
  }

  #single(): Condition<F> | null {
    if (this.#take('!')) {
      const condition = this.#single();
      return condition === null ? null : (facts) => !condition(facts);
    }
    if (this.#take('(')) {
      const condition = this.#either();
      return this.#take(')') ? condition : null;
    }
    return this.#comparison();
  }

  /** Two operands of one kind, or something that is true or false on its own. */
  #comparison(): Condition<F> | null {
    const left = this.#operand();
    if (left === null) return null;
    const sign = this.#tokens[this.#at] ?? '';
    const compare = Object.hasOwn(comparisons, sign) ? comparisons[sign] : undefined;
    if (compare === undefined) return left.kind === 'truth' ? (facts) => left.of(facts) === true : null;
    this.#at++;
    const right = this.#operand();
    if (right === null || left.kind !== right.kind) return null;
    if (left.kind !== 'number' && sign !== '==' && sign !== '!=') return null;
    return (facts) => compare(left.of(facts), right.of(facts));
  }

  #operand(): Operand<F> | null {
    const number = this.#number();
    if (number !== null) return { kind: 'number', of: () => number };
    const name = this.#tokens[this.#at++] ?? '';
    if (name.startsWith('"')) return { kind: 'text', of: () => name.slice(1, -1) };
    const known = Object.hasOwn(this.#functions, name) ? this.#functions[name] : undefined;
    if (known === undefined || !this.#take('(')) return null;
    const args: number[] = [];
    while (!this.#take(')')) {
      if (args.length > 0 && !this.#take(',')) return null;
      const arg = this.#number();
      if (arg === null) return null;
      args.push(arg);
    }
    return args.length === known.parameters ? { kind: known.kind, of: known.of(args) } : null;
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
