// Conformance of HPACK: every story of a folder is decoded by our decoder; then our encoder writes the same fields, and node:http2 reads them.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { HpackDecoder } from '../../proxies/http2/hpack-decoder.ts';
import { HpackEncoder } from '../../proxies/http2/hpack-encoder.ts';
import { openSecondDecoder } from './hpack-second-decoder.ts';

type Fields = readonly (readonly [name: string, value: string])[];

/** One header block of a story; `tableBytes`: SETTINGS_HEADER_TABLE_SIZE changes to it first. */
interface Case {
  readonly wire: Buffer;
  readonly fields: Fields;
  readonly tableBytes: number | null;
}

/** The cases of a file, or what is not understood in it. */
function readStory(text: string): readonly Case[] | string {
  const story = JSON.parse(text) as { readonly cases?: unknown };
  if (!Array.isArray(story.cases) || story.cases.length === 0) return 'holds no cases';
  const cases: Case[] = [];
  for (const [i, one] of (story.cases as readonly Readonly<Record<string, unknown>>[]).entries()) {
    const { wire, headers, header_table_size: tableBytes = null } = one;
    const unknown = Object.keys(one).filter((key) => !['seqno', 'wire', 'headers', 'header_table_size'].includes(key));
    if (unknown.length > 0) return `case ${i} has ${unknown.join(', ')}, which is not understood`;
    if (typeof wire !== 'string' || !/^(?:[0-9a-f]{2})+$/i.test(wire)) return `case ${i} has no wire in hex`;
    if (!Array.isArray(headers) || (tableBytes !== null && typeof tableBytes !== 'number'))
      return `case ${i} is of another form`;
    const fields = (headers as readonly Readonly<Record<string, string>>[]).flatMap((pair) => Object.entries(pair));
    cases.push({
      wire: Buffer.from(wire, 'hex'),
      fields: fields.map(([name, value]) => [name, latin1(value)]),
      tableBytes,
    });
  }
  return cases;
}

/** Our strings have a character an octet. */
const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');

function decode(decoder: HpackDecoder, block: Buffer): Fields | null {
  const fields: [string, string][] = [];
  const sink = {
    onField: ({ name, value }: { name: { text: string }; value: string }) => void fields.push([name.text, value]),
  };
  return decoder.decode(block, 0, block.length, sink, Infinity) ? fields : null;
}

function differences(what: string, wanted: Fields, got: Fields | null): readonly string[] {
  if (got === null) return [`${what}: a compression error`];
  const found: string[] = [];
  for (let i = 0; i < Math.max(wanted.length, got.length); i++) {
    const [want, is] = [wanted[i]?.join(': ') ?? 'nothing', got[i]?.join(': ') ?? 'nothing'];
    if (want !== is) found.push(`${what}: field ${i} should be ${JSON.stringify(want)} and is ${JSON.stringify(is)}`);
  }
  return found.slice(0, 5);
}

/** The blocks that our encoder makes of a story. */
function encode(cases: readonly Case[]): readonly Buffer[] {
  const encoder = new HpackEncoder();
  return cases.map(({ fields, tableBytes }) => {
    if (tableBytes !== null) encoder.setTableBytes(tableBytes);
    encoder.begin();
    for (const [name, value] of fields) encoder.field(name, value);
    return Buffer.from(encoder.bytes.subarray(0, encoder.length));
  });
}

export async function run(args: readonly string[]): Promise<number> {
  const folder = resolve(args[0] ?? '');
  if (args[0] === undefined || !existsSync(folder)) {
    process.stderr.write('usage: npm run conformance -- hpack FOLDER\n');
    return 2;
  }
  const count = { passed: 0, failed: 0 };
  const report = (name: string, found: readonly string[]): void => {
    count[found.length === 0 ? 'passed' : 'failed']++;
    if (found.length > 0) process.stdout.write(`FAIL ${name}\n${found.map((line) => `     ${line}\n`).join('')}`);
  };
  for (const file of readdirSync(folder).sort()) {
    if (!file.endsWith('.json')) continue;
    const cases = readStory(readFileSync(join(folder, file), 'utf8'));
    if (typeof cases === 'string') {
      report(file, [cases]);
      continue;
    }
    const decoder = new HpackDecoder();
    cases.forEach(({ wire, fields, tableBytes }, i) => {
      if (tableBytes !== null) decoder.setTableBytes(tableBytes);
      report(`${file} case ${i}`, differences('decoded', fields, decode(decoder, wire)));
    });
    report(`${file} encoded`, await readBySecond(cases));
  }
  if (count.passed + count.failed === 0) process.stdout.write(`no story in ${folder}\n`);
  process.stdout.write(`${count.passed} passed, ${count.failed} failed\n`);
  return count.failed > 0 || count.passed === 0 ? 1 : 0;
}

/** What node:http2 makes of our blocks. */
async function readBySecond(cases: readonly Case[]): Promise<readonly string[]> {
  // Its table is of one size as long as it lives; and its fields must make a request.
  const requests = cases.filter(({ fields }) => isRequest(fields)).map((one) => ({ ...one, tableBytes: null }));
  if (requests.length === 0) return [];
  const second = await openSecondDecoder();
  try {
    const found: string[] = [];
    for (const [i, block] of encode(requests).entries()) {
      const got = await second.decode(block);
      found.push(...differences(`block ${i} by node:http2`, requests[i]?.fields ?? [], got));
    }
    return found.slice(0, 10);
  } finally {
    await second.close();
  }
}

/** Whether node:http2 takes the fields for a request and shows them one by one. */
function isRequest(fields: Fields): boolean {
  const names = fields.map(([name]) => name);
  return (
    names.includes(':method') && names.includes(':path') && names.includes(':scheme') && !names.includes('connection')
  );
}
