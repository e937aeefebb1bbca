// The traefik.* labels of one app as records (specs/l7.md §2).

import type { App } from '../../../src/cluster/index.ts';
import type { LabelClaims, LabelRules, TraefikRules } from './label-rules.ts';

export const traefikClaims = (_app: App, _rules: LabelRules, _traefik: TraefikRules): LabelClaims => ({
  records: [],
  plans: [],
  diagnostics: [],
});
