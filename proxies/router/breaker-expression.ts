// Expressions of circuit breakers as Traefik 1.7 has them (specs/l7.md §7.2): `NetworkErrorRatio() > 0.5 || LatencyAtQuantileMS(50.0) > 50`.

import { parseExpression, type Functions } from './go-expression.ts';

/** What is known of the requests of the last ten seconds. */
export interface BreakerFigures {
  requestCount(): number;
  /** Share of requests that no answer of a backend came for, 0 to 1. */
  networkErrorRatio(): number;
  /** Answers with a status in [from, to) by those in [ofFrom, ofTo); 0 where there are none of these. */
  codeRatio(from: number, to: number, ofFrom: number, ofTo: number): number;
  /** `percent`: 0 to 100. */
  latencyMs(percent: number): number;
}

export type Condition = (figures: BreakerFigures) => boolean;

const functions: Functions<BreakerFigures> = {
  /** Ours: so that a single failure opens nothing. */
  RequestCount: { kind: 'number', parameters: 0, of: () => (figures) => figures.requestCount() },
  NetworkErrorRatio: { kind: 'number', parameters: 0, of: () => (figures) => figures.networkErrorRatio() },
  LatencyAtQuantileMS: {
    kind: 'number',
    parameters: 1,
    of:
      ([percent = 0]) =>
      (figures) =>
        figures.latencyMs(percent),
  },
  ResponseCodeRatio: {
    kind: 'number',
    parameters: 4,
    of:
      ([from = 0, to = 0, ofFrom = 0, ofTo = 0]) =>
      (figures) =>
        figures.codeRatio(from, to, ofFrom, ofTo),
  },
};

/** Null where it is none. */
export const parseBreakerExpression = (text: string): Condition | null => parseExpression(text, functions);
