// Reads an app's labels one by one and collects what is wrong with them. A label that is rejected costs itself alone.

import type { App, Diagnostic } from '../../../src/cluster/index.ts';
import { isRejection, type ValueRejection } from '../label-values.ts';

/** Labels whose values hold password hashes, which are shown nowhere. */
const secret = /_AUTH$|_USERLIST_HEAD$|\.auth\.(basic|digest)(\.users)?$/;

export class LabelReader {
  readonly app: App;
  readonly diagnostics: Diagnostic[] = [];
  readonly keys: readonly string[];

  constructor(app: App) {
    this.app = app;
    this.keys = Object.keys(app.labels).sort();
  }

  get(key: string): string | undefined {
    return Object.hasOwn(this.app.labels, key) ? this.app.labels[key] : undefined;
  }

  /** A parsed value; `otherwise` where there is none or it is rejected, which is reported. */
  value<T, D>(key: string, parse: (value: string) => T | ValueRejection, otherwise: D): T | D {
    const text = this.get(key);
    if (text === undefined) return otherwise;
    const parsed = parse(text);
    if (!isRejection(parsed)) return parsed;
    this.report(key, 'warn', parsed.rejected, parsed.hint);
    return otherwise;
  }

  report(key: string, severity: Diagnostic['severity'], reason: string, hint: string): void {
    const value = this.get(key) ?? '';
    this.diagnostics.push({
      app: this.app.key,
      task: null,
      key,
      value: value !== '' && secret.test(key) ? '***' : value,
      reason,
      hint,
      severity,
    });
  }
}
