// A diagnostic: why a label, record or object gave nothing. It costs its neighbours nothing and is shown wherever people look.

import type { AppKey, TaskKey } from './ids.ts';

export interface Diagnostic {
  readonly app: AppKey | null;
  readonly task: TaskKey | null;
  readonly key: string;
  readonly value: string;
  readonly reason: string;
  /** What would be right. */
  readonly hint: string;
  readonly severity: 'info' | 'warn' | 'error';
}
