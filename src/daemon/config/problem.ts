// A problem of the configuration as people see it: where, what is wrong, what would be right.

/** Keys and indices from the root of the file. */
export type ConfigPath = readonly (string | number)[];

export interface ConfigProblem {
  /** From 1. */
  readonly line: number;
  /** From 1. */
  readonly column: number;
  /** Such as `router.http[0]`; '' where the whole file is meant. */
  readonly path: string;
  /** What is wrong. */
  readonly message: string;
  /** What would be right. */
  readonly remedy: string;
  /** Only errors keep the daemon from starting. */
  readonly severity: 'error' | 'warning';
}

/** What a check found, before its place in the file is known. */
export interface Finding {
  readonly path: ConfigPath;
  readonly message: string;
  readonly remedy: string;
  readonly severity: ConfigProblem['severity'];
  /** About the key or the whole below it, rather than a value. */
  readonly isWhole?: boolean;
}

export function pathText(path: ConfigPath): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    const name = /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
    return text === '' ? name : `${text}.${name}`;
  }, '');
}
