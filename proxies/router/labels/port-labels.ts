// A port of an app whose labels are being compiled.

import type { AppPort } from '../../../src/cluster/index.ts';
import type { LabelReader } from './label-reader.ts';
import type { LabelRules, LabelUnit } from './label-rules.ts';
import type { Templates } from './templates.ts';

/** A port under compilation. */
export interface PortLabels {
  readonly unit: LabelUnit;
  readonly port: AppPort;
  readonly reader: LabelReader;
  readonly rules: LabelRules;
  /** `HAPROXY_<n>_`. */
  readonly prefix: string;
  readonly isReference: boolean;
  /** Canonical hosts of the vhost label that the app may claim. */
  readonly hosts: readonly string[];
  /** The label as written; null: none. */
  readonly vhost: string | null;
  readonly templates: Templates;
  readonly mode: 'http' | 'tcp';
}

export const setIdOf = (unit: Pick<LabelUnit, 'key'>, port: AppPort): string => `${unit.key}:${port.index}`;
