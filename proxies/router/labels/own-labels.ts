// Labels ISTHMUS_<n>_*, for what the other dialects cannot say.

import { LabelReader } from './label-reader.ts';
import type { LabelClaims, LabelRules, LabelUnit } from './label-rules.ts';

export function ownClaims(unit: LabelUnit, claims: LabelClaims, _rules: LabelRules): LabelClaims {
  const reader = new LabelReader(unit.app);
  for (const key of reader.keys)
    if (key.startsWith('ISTHMUS_'))
      reader.report(
        key,
        'warn',
        'is not known to this version',
        'labels ISTHMUS_<port index>_<NAME> are reserved for it',
      );
  return reader.diagnostics.length === 0
    ? claims
    : { ...claims, diagnostics: [...claims.diagnostics, ...reader.diagnostics] };
}
