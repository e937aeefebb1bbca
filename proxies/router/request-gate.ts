// The gate of a route with policies: redirects, networks, passwords and limits, in the order of specs/l7.md §2.6 and §7.2. Who passes is
// forwarded, who does not is answered here.

import type { ClientLoss, Exchange, ExchangeHandler, LocalAnswer } from '../http1/index.ts';
import type { Admitted, AuthResult } from './authenticator.ts';
import type { RequestFlow } from './request-flow.ts';
import { tooMany, type RequestPolicy } from './request-policy.ts';
import type { RequestFacts } from './request-facts.ts';

export interface GateHandler {
  onPassed(flow: RequestFlow): void;
  /** Nothing was sent to a backend. */
  onRefused(answer: LocalAnswer, flow: RequestFlow): void;
  /** The client left while its password was looked at. */
  onLost(loss: ClientLoss): void;
}

/** Judges one request; calls back within the call unless a password has to be looked at. */
export function passGate(exchange: Exchange, policy: RequestPolicy, facts: RequestFacts, handler: GateHandler): void {
  for (const judge of policy.before) {
    const answer = judge(facts);
    if (answer !== null) {
      handler.onRefused(answer, { policy, facts, admitted: null, leave: null });
      return;
    }
  }
  const { auth } = policy;
  if (auth === null || !(auth.everywhere || facts.entry === 'vhost')) {
    enter(policy, facts, null, handler);
    return;
  }
  const settle = (result: AuthResult): void => {
    if ('admitted' in result) enter(policy, facts, result.admitted, handler);
    else handler.onRefused(result.refused, { policy, facts, admitted: null, leave: null });
  };
  const result = auth.judge(facts, settle);
  if (typeof result !== 'function') settle(result);
  else exchange.handle(new Waiting(result, handler));
}

function enter(policy: RequestPolicy, facts: RequestFacts, admitted: Admitted | null, handler: GateHandler): void {
  const refuse = (answer: LocalAnswer): void => handler.onRefused(answer, { policy, facts, admitted, leave: null });
  for (const judge of policy.after) {
    const answer = judge(facts);
    if (answer !== null) {
      refuse(answer);
      return;
    }
  }
  const leave = policy.inFlight?.enter(facts);
  if (leave === null) refuse(tooMany(facts, 1));
  else handler.onPassed({ policy, facts, admitted, leave: leave ?? null });
}

/** Hears of a client that leaves while nobody has decided yet. Its body is not read before that. */
class Waiting implements ExchangeHandler {
  readonly #withdraw: () => void;
  readonly #handler: GateHandler;

  constructor(withdraw: () => void, handler: GateHandler) {
    this.#withdraw = withdraw;
    this.#handler = handler;
  }

  onRequestBody(): void {}
  onRequestEnd(): void {}
  onClientWritable(): void {}

  onClientLost(loss: ClientLoss): void {
    this.#withdraw();
    this.#handler.onLost(loss);
  }
}
