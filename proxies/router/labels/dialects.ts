// The three dialects of labels as one model: what all of them make of a unit.

import { marathonLbClaims } from './marathon-lb.ts';
import type { LabelClaims, LabelRules, LabelUnit } from './label-rules.ts';
import { ownClaims } from './own-labels.ts';
import { traefikClaims } from './traefik.ts';

export function claimsOfUnit(unit: LabelUnit, rules: LabelRules): LabelClaims {
  const marathonLb = marathonLbClaims(unit, rules);
  const { traefik } = rules;
  if (traefik === null) return ownClaims(unit, marathonLb, rules);
  // Each app of a group has Traefik routes of its own; the group is Marathon-LB's.
  const all = unit.members.map((app) => {
    const claims = traefikClaims(app, rules, traefik);
    return app === unit.app
      ? ownClaims(unit, joined([marathonLb, claims]), rules)
      : ownClaims({ ...unit, app }, claims, rules);
  });
  return joined(all);
}

const joined = (all: readonly LabelClaims[]): LabelClaims => ({
  records: all.flatMap((claims) => claims.records),
  plans: all.flatMap((claims) => claims.plans),
  diagnostics: all.flatMap((claims) => claims.diagnostics),
  ports: new Map(all.flatMap((claims) => [...(claims.ports ?? [])])),
});
