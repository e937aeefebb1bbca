// Reads a file's bytes as whichever picture of a cluster they are (interface.md, `cluster: file`): Mesos by one document (`/state`,
// GET_STATE, SUBSCRIBED), by operator-API events one a line or by RecordIO, or Marathon's `/v2/apps`.

import { noMasters, type Picture } from '../cluster/index.ts';
import { messageOf, type Clock } from '../runtime/index.ts';
import { objectOf, textOf } from './json.ts';
import { appCuts, emptyPicture } from './marathon/picture.ts';
import { mastersOf } from './mesos/masters.ts';
import { createPictureBuilder, pictureForm } from './mesos/picture.ts';
import { createRecordReader } from './mesos/recordio.ts';
import { createSplitter } from './mesos/split.ts';
import { MesosState } from './mesos/state.ts';
import { createSlices, type Slices } from './slices.ts';

export type FileReading =
  | { readonly kind: 'picture'; readonly picture: Picture }
  /** `reason`: with the line where that is known, fit for people. */
  | { readonly kind: 'bad'; readonly reason: string };

export interface FileReaderOptions {
  /** Name of the Marathon that wrote it, where the file holds apps. */
  readonly name: string;
  readonly clock: Clock;
  readonly onSkipped: (reason: string) => void;
}

const pieceBytes = 64 * 1024;

/** The picture in `bytes`. Never rejects for what is in them. */
export async function readFilePicture(bytes: Buffer, options: FileReaderOptions): Promise<FileReading> {
  const slices = createSlices(options.clock);
  const start = bytes.subarray(0, 3).equals(Buffer.of(0xef, 0xbb, 0xbf)) ? bytes.subarray(3) : bytes;
  if (start.every(isBlank)) return { kind: 'bad', reason: 'is empty' };
  if (/^\s*\d+\r?\n/.test(start.subarray(0, 32).toString('latin1'))) return readRecords(start, options, slices);
  if (!isLines(start)) return readDocument(start, options, slices);
  const lines = await readLines(start, options, slices);
  if (lines.kind === 'picture' || !lines.reason.startsWith('line 1:')) return lines;
  const document = await readDocument(start, options, slices);
  return document.kind === 'picture' ? document : lines;
}

const isBlank = (byte: number): boolean => byte <= 0x20;

/** Whether it looks like one JSON a line: the first line ends as an object does, and more follows. */
function isLines(bytes: Buffer): boolean {
  const end = bytes.indexOf(0x0a);
  if (end < 0 || bytes[0] !== 0x7b) return false;
  if (!bytes.subarray(0, end).toString('utf8').trimEnd().endsWith('}')) return false;
  return !bytes.subarray(end).every(isBlank);
}

async function readDocument(bytes: Buffer, options: FileReaderOptions, slices: Slices): Promise<FileReading> {
  const builder = createPictureBuilder(options.onSkipped);
  const marathon = emptyPicture();
  const bad: string[] = [];
  const splitter = createSplitter({
    cuts: [...builder.cuts, ...appCuts(marathon, () => ({ name: options.name, frameworkId: null }), options.onSkipped)],
    onBadElement: (path, reason, offset) => void bad.push(`line ${lineAt(bytes, offset)}: in ${path}: ${reason}`),
  });
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    splitter.push(bytes.subarray(at, at + pieceBytes));
    await slices.breathe();
  }
  if (bad[0] !== undefined) return { kind: 'bad', reason: bad[0] };
  let skeleton: unknown;
  try {
    skeleton = splitter.end();
  } catch (error) {
    return { kind: 'bad', reason: syntaxReason(bytes, error) };
  }
  if (Array.isArray(objectOf(skeleton)['apps'])) return { kind: 'picture', picture: marathonPicture(marathon) };
  const event = objectOf(skeleton)['type'];
  if (pictureForm(skeleton) === null && typeof event !== 'string') {
    return { kind: 'bad', reason: 'is none of: Mesos /state, GET_STATE, SUBSCRIBED or its events, Marathon /v2/apps' };
  }
  const state = createState(options);
  const picture = builder.finish(skeleton);
  if (pictureForm(skeleton) === null) state.apply(skeleton, 0);
  else await state.load(picture, 0, slices);
  return { kind: 'picture', picture: mesosPicture(state, picture.leader) };
}

/** The whole document again, for the parser's own words on where it breaks; the skeleton's position would mislead. */
function syntaxReason(bytes: Buffer, splitError: unknown): string {
  const most = 64 * 1024 * 1024;
  if (bytes.length > most) return messageOf(splitError);
  try {
    JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    const text = messageOf(error);
    const at = /position (\d+)/.exec(text)?.[1];
    return `line ${at === undefined ? lineAt(bytes, bytes.length) : lineAt(bytes, Number(at))}: ${text}`;
  }
  return messageOf(splitError);
}

function lineAt(bytes: Buffer, offset: number): number {
  let line = 1;
  for (let at = bytes.indexOf(0x0a); at >= 0 && at < offset; at = bytes.indexOf(0x0a, at + 1)) line++;
  return line;
}

async function readLines(bytes: Buffer, options: FileReaderOptions, slices: Slices): Promise<FileReading> {
  const state = createState(options);
  let number = 0;
  for (let at = 0; at < bytes.length;) {
    const newline = bytes.indexOf(0x0a, at);
    const end = newline < 0 ? bytes.length : newline;
    const line = bytes.subarray(at, end);
    at = end + 1;
    number++;
    if (line.every(isBlank)) continue;
    const problem = await foldEvent(state, line, options, slices);
    if (problem !== null) return { kind: 'bad', reason: `line ${number}: ${problem}` };
    await slices.breathe();
  }
  return { kind: 'picture', picture: mesosPicture(state, null) };
}

async function readRecords(bytes: Buffer, options: FileReaderOptions, slices: Slices): Promise<FileReading> {
  const state = createState(options);
  const reader = createRecordReader();
  let record = 0;
  let pieces: Buffer[] = [];
  for (const token of reader.push(bytes)) {
    if (token.kind === 'begin') {
      pieces = [];
      record++;
    } else if (token.kind === 'piece') pieces.push(token.piece);
    else if (token.kind === 'broken') return { kind: 'bad', reason: `after record ${record}: ${token.reason}` };
    else {
      const problem = await foldEvent(state, Buffer.concat(pieces), options, slices);
      if (problem !== null) return { kind: 'bad', reason: `record ${record}: ${problem}` };
      await slices.breathe();
    }
  }
  if (!reader.atBoundary()) return { kind: 'bad', reason: `ends within record ${record}` };
  return { kind: 'picture', picture: mesosPicture(state, null) };
}

/** One event, SUBSCRIBED included; a text says why it cannot be read. */
async function foldEvent(
  state: MesosState,
  bytes: Buffer,
  options: FileReaderOptions,
  slices: Slices,
): Promise<string | null> {
  const builder = createPictureBuilder(options.onSkipped);
  const bad: string[] = [];
  const splitter = createSplitter({
    cuts: builder.cuts,
    onBadElement: (path, reason) => void bad.push(`in ${path}: ${reason}`),
  });
  splitter.push(bytes);
  if (bad[0] !== undefined) return bad[0];
  try {
    const event = splitter.end();
    if (textOf(objectOf(event)['type']) === null) return 'is no event: it has no type';
    if (pictureForm(event) === null) state.apply(event, 0);
    else await state.load(builder.finish(event), 0, slices);
    return null;
  } catch (error) {
    return messageOf(error);
  }
}

const createState = (options: FileReaderOptions): MesosState =>
  new MesosState({ onSkipped: options.onSkipped, onNotice: () => undefined });

function mesosPicture(state: MesosState, leader: Parameters<typeof mastersOf>[1]): Picture {
  const { tasks, agents, frameworks } = state.tables;
  const masters = leader === null ? noMasters : mastersOf([], leader);
  return {
    tasks: [...tasks.values()],
    agents: [...agents.values()],
    frameworks: [...frameworks.values()],
    apps: [],
    masters,
  };
}

const marathonPicture = ({ apps, tasks }: ReturnType<typeof emptyPicture>): Picture => ({
  tasks: [...tasks.values()],
  agents: [],
  frameworks: [],
  apps: [...apps.values()],
  masters: noMasters,
});
