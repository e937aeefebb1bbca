// YAML to plain values, with the place of each in the text. What is broken is told and the rest still read; never throws on any text.

import {
  type Alias,
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type Scalar,
  type YAMLError,
  type YAMLMap,
} from 'yaml';
import type { ConfigPath, Finding } from './problem.ts';
import { messageOf } from '../../runtime/index.ts';

export interface Place {
  readonly line: number;
  readonly column: number;
}

export interface SyntaxFinding extends Finding, Place {}

export interface YamlTree {
  readonly value: unknown;
  readonly findings: readonly SyntaxFinding[];
  /** The place of a value; of its key if asked for or where it is a map or a list; of the nearest that exists where it is absent. */
  locate(path: ConfigPath, isOfKey?: boolean): Place;
}

/** Levels below the root; no configuration has a dozen. */
const deepest = 24;
/** Values after aliases are followed: a small file must not unfold into a large one. */
const mostValues = 100_000;

export function readYaml(text: string): YamlTree {
  const lines = new LineCounter();
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const document = parsed(text, lines);
  if (typeof document === 'string') return unreadable(document);
  const reader = new TreeReader(document, text);
  const value = reader.read();
  const syntax = document.errors.map((error) => ({ ...reader.describe(error), ...place(error.pos[0]) }));
  return {
    value,
    findings: [
      ...onlyFirstOfFlood(syntax),
      ...reader.faults.map(({ offset, ...finding }) => ({ ...finding, ...place(offset) })),
    ],
    locate: (path, isOfKey = false) => place(reader.offsetOf(path, isOfKey)),
  };
}

function parsed(text: string, lines: LineCounter): Document.Parsed | string {
  try {
    return parseDocument(text, { lineCounter: lines, prettyErrors: false, logLevel: 'error', uniqueKeys: false });
  } catch (error) {
    return messageOf(error);
  }
}

function unreadable(reason: string): YamlTree {
  const place = { line: 1, column: 1 };
  const finding = {
    path: [],
    message: `the file cannot be read as YAML: ${reason}`,
    remedy: 'see yaml.org',
    severity: 'error',
  } as const;
  return { value: undefined, findings: [{ ...finding, ...place }], locate: () => place };
}

/** One mistake in brackets or indentation makes the parser stumble on; more than a few of its complaints help nobody. */
function onlyFirstOfFlood(findings: readonly SyntaxFinding[]): readonly SyntaxFinding[] {
  const exhausted = findings.find(({ message }) => message === tooDeep.message);
  return exhausted === undefined ? findings : [exhausted];
}

interface Offsets {
  readonly key: number;
  readonly value: number;
}

interface Fault extends Finding {
  readonly offset: number;
}

const tooDeep = { message: 'is nested too deeply', remedy: `keep to ${deepest} levels` } as const;

/** Walks the document once, and remembers where each value began. */
class TreeReader {
  readonly faults: Fault[] = [];
  readonly #document: Document.Parsed;
  readonly #text: string;
  readonly #offsets = new Map<string, Offsets>();
  #values = 0;

  constructor(document: Document.Parsed, text: string) {
    this.#document = document;
    this.#text = text;
  }

  read(): unknown {
    return this.#plain(this.#document.contents, []);
  }

  offsetOf(path: ConfigPath, isOfKey: boolean): number {
    for (let length = path.length; length > 0; length--) {
      const offsets = this.#offsets.get(JSON.stringify(path.slice(0, length)));
      if (offsets !== undefined) return isOfKey ? offsets.key : offsets.value;
    }
    return this.#document.contents?.range[0] ?? 0;
  }

  /** The parser's complaint in our words. */
  describe(error: YAMLError): Finding {
    const line = this.#text.slice(this.#text.lastIndexOf('\n', error.pos[0] - 1) + 1).split('\n', 1)[0] ?? '';
    const [message, remedy] = complaint(error, line);
    return { path: [], message, remedy, severity: 'error' };
  }

  #plain(node: Node | null, path: ConfigPath): unknown {
    if (node === null) return null;
    if (path.length > deepest || ++this.#values > mostValues)
      return this.#fault(node, path.slice(0, 2), tooDeep.message, tooDeep.remedy);
    if (isAlias(node)) return this.#followed(node, path);
    if (isScalar(node)) return node.value;
    if (isSeq<Node>(node)) return node.items.map((item, index) => this.#item(item, [...path, index]));
    return isMap<Node, Node | null>(node) ? this.#entries(node, path) : null;
  }

  #entries(map: YAMLMap<Node, Node | null>, path: ConfigPath): unknown {
    const entries: [string, unknown][] = [];
    for (const { key, value } of map.items) {
      const name = isScalar(key) ? keyName(key) : null;
      if (name === null) {
        this.#fault(key, path, 'has a key that is no text', 'write keys as plain words');
        continue;
      }
      const below = [...path, name];
      if (name === '__proto__') {
        this.#fault(key, below, 'there is no key "__proto__" here', 'remove it');
        continue;
      }
      if (entries.some(([other]) => other === name)) {
        this.#fault(
          key,
          below,
          `the key "${name}" stands here for the second time`,
          'keep one of the two, with what both should say',
        );
        continue;
      }
      this.#note(below, key, isScalar(value) && value.value !== null ? value : key);
      entries.push([name, this.#plain(value, below)]);
    }
    return Object.fromEntries(entries);
  }

  #followed(alias: Alias, path: ConfigPath): unknown {
    const target = alias.resolve(this.#document);
    if (target !== undefined) return this.#plain(target, path);
    return this.#fault(
      alias,
      path,
      `refers to "*${alias.source}", which no "&${alias.source}" before it defines`,
      'define it first, or quote the value',
    );
  }

  #item(item: Node, path: ConfigPath): unknown {
    this.#note(path, item, item);
    return this.#plain(item, path);
  }

  /** Remembers where `path` is: the first place counts where an alias gives it several. */
  #note(path: ConfigPath, key: Node, value: Node): void {
    const start = key.range?.[0];
    const name = JSON.stringify(path);
    if (start !== undefined && !this.#offsets.has(name))
      this.#offsets.set(name, { key: start, value: value.range?.[0] ?? start });
  }

  #fault(node: Node, path: ConfigPath, message: string, remedy: string): undefined {
    // A flood (an alias that holds itself) is one mistake.
    if (message === tooDeep.message && this.faults.some((fault) => fault.message === message)) return undefined;
    this.faults.push({ path, message, remedy, severity: 'error', offset: node.range?.[0] ?? 0 });
    return undefined;
  }
}

function keyName({ value, source }: Scalar): string | null {
  if (typeof value === 'string') return value;
  return typeof value === 'number' || typeof value === 'boolean' ? (source ?? String(value)) : null;
}

function complaint(error: YAMLError, line: string): readonly [message: string, remedy: string] {
  if (error.code === 'RESOURCE_EXHAUSTION') return [tooDeep.message, tooDeep.remedy];
  if (error.code === 'MULTIPLE_DOCS')
    return ['a second document begins here', 'remove the line "---": one file, one document'];
  if (/[[{,]\s*\$\{/.test(line)) return [`YAML: ${error.message}`, 'put "${NAME}" in quotes inside [ ] and { }'];
  return [`YAML: ${error.message}`, remedies[error.code] ?? 'look at this place for a missing quote, colon or bracket'];
}

const remedies: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: 'indent with spaces',
  BAD_INDENT: 'give keys of one map the same indentation, and close what was opened above',
  BAD_SCALAR_START: 'put the value in quotes',
  MISSING_CHAR: 'close the quote or bracket that was opened above',
  BLOCK_AS_IMPLICIT_KEY: 'write one key a line, or put a value that holds ": " in quotes',
  BAD_DIRECTIVE: 'remove the line',
};
