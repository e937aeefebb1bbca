// The three dialects of labels as one model: what all of them make of a unit.

import { marathonLbClaims } from './marathon-lb.ts';
import type { LabelClaims, LabelRules, LabelUnit } from './label-rules.ts';
import { ownClaims } from './own-labels.ts';
import { traefikClaims } from './traefik.ts';

export function claimsOfUnit(unit: LabelUnit, rules: LabelRules): LabelClaims {
  const marathonLb = ownClaims(unit, marathonLbClaims(unit, rules), rules);
  if (rules.traefik === null) return marathonLb;
  const traefik = unit.members.map((app) =>
    traefikClaims(app, rules, rules.traefik as NonNullable<LabelRules['traefik']>),
  );
  return {
    records: [...marathonLb.records, ...traefik.flatMap((claims) => claims.records)],
    plans: [...marathonLb.plans, ...traefik.flatMap((claims) => claims.plans)],
    diagnostics: [...marathonLb.diagnostics, ...traefik.flatMap((claims) => claims.diagnostics)],
  };
}
