// The JSON of a big cluster's tasks without making them: a text with holes for each kind of task, filled with what tells them apart.
// Making a task and writing it costs ten times as much, and a reader would wait for that rather than for itself.
import { bigTask } from './big-shapes.ts';
import type { TaskFacts } from './big-shapes.ts';

export interface TaskTexts {
  // What JSON.stringify makes of the task.
  textOf(facts: TaskFacts): string;
  // Its length; all of it is ASCII.
  lengthOf(facts: TaskFacts): number;
}

type HoleName = Exclude<keyof TaskFacts, 'isOverlay' | 'healthy'>;

interface Template {
  readonly start: string;
  readonly holes: readonly { readonly name: HoleName; readonly after: string }[];
  readonly fixedLength: number;
}

// Numbers stand in JSON without quotes, so that they are marked by numbers that are nowhere else.
const MARKS = {
  app: '@app@',
  team: '@team@',
  image: '@image@',
  overlay: '@overlay@',
  padding: '@padding@',
  framework: '@framework@',
  agentId: '@agentId@',
  agentIp: '@agentIp@',
  containerIp: '@containerIp@',
  uuid: '@uuid@',
  hostPort: 9_000_000_001,
  stagedAt: 9_000_000_002,
  runningAt: 9_000_000_003,
} as const satisfies Record<HoleName, string | number>;

const NAME_OF = new Map(Object.entries(MARKS).map(([name, mark]) => [String(mark), name as HoleName]));
const ANY_MARK = new RegExp(`(${[...NAME_OF.keys()].join('|')})`);

export function createTaskTexts(): TaskTexts {
  const templates = new Map<number, Template>();
  const templateFor = (facts: TaskFacts): Template => {
    const isPadded = facts.padding !== '';
    const kind = (facts.isOverlay ? 1 : 0) + (facts.healthy ? 2 : 0) + (isPadded ? 4 : 0);
    let template = templates.get(kind);
    if (template === undefined) templates.set(kind, (template = templateOf(facts)));
    return template;
  };
  return {
    textOf(facts) {
      const { start, holes } = templateFor(facts);
      let text = start;
      for (const { name, after } of holes) text += String(facts[name]) + after;
      return text;
    },
    lengthOf(facts) {
      const { fixedLength, holes } = templateFor(facts);
      let length = fixedLength;
      for (const { name } of holes) length += String(facts[name]).length;
      return length;
    },
  };
}

function templateOf({ isOverlay, healthy, padding }: TaskFacts): Template {
  const marked = { ...MARKS, isOverlay, healthy, padding: padding === '' ? '' : MARKS.padding };
  const [start = '', ...rest] = JSON.stringify(bigTask(marked)).split(ANY_MARK);
  const holes: { name: HoleName; after: string }[] = [];
  for (let at = 0; at < rest.length; at += 2) {
    const name = NAME_OF.get(rest[at] ?? '');
    if (name === undefined) throw new Error(`No hole is called ${rest[at] ?? ''}`);
    holes.push({ name, after: rest[at + 1] ?? '' });
  }
  return { start, holes, fixedLength: start.length + holes.reduce((sum, { after }) => sum + after.length, 0) };
}
