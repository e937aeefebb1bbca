// The gate of a route with policies: redirects, networks, passwords, limits and faults, in the order of specs/l7.md §2.6 and §7.2. Who passes is
// forwarded, who does not is answered here.

import type { ClientLoss, Exchange, ExchangeHandler, LocalAnswer } from '../http1/index.ts';
import type { Admitted, AuthResult } from './authenticator.ts';
import type { FaultSource } from './faults.ts';
import type { RequestFlow } from './request-flow.ts';
import { tooMany, type RequestPolicy } from './request-policy.ts';
import { routerError } from './router-answers.ts';
import type { RequestFacts } from './request-facts.ts';

export interface GateHandler {
  onPassed(flow: RequestFlow): void;
  /** Nothing was sent to a backend. `outcome`: for the log, where the status does not say it. */
  onRefused(answer: LocalAnswer, flow: RequestFlow, outcome?: string): void;
  /** The client left while its password was looked at. */
  onLost(loss: ClientLoss): void;
  /** Of the whole request, 0: no limit. */
  readonly limitMs: number;
}

/** Judges one request; calls back within the call unless a password has to be looked at, or the request is kept waiting. */
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
    enter(exchange, policy, facts, null, handler);
    return;
  }
  const settle = (result: AuthResult): void => {
    if ('admitted' in result) enter(exchange, policy, facts, result.admitted, handler);
    else handler.onRefused(result.refused, { policy, facts, admitted: null, leave: null });
  };
  const result = auth.judge(facts, settle);
  if (typeof result !== 'function') settle(result);
  else exchange.handle(new Waiting(result, handler));
}

function enter(
  exchange: Exchange,
  policy: RequestPolicy,
  facts: RequestFacts,
  admitted: Admitted | null,
  handler: GateHandler,
): void {
  const refuse = (answer: LocalAnswer): void => handler.onRefused(answer, { policy, facts, admitted, leave: null });
  for (const judge of policy.after) {
    const answer = judge(facts);
    if (answer !== null) {
      refuse(answer);
      return;
    }
  }
  const leave = policy.inFlight?.enter(facts);
  if (leave === null) {
    refuse(tooMany(facts, 1));
    return;
  }
  const flow = { policy, facts, admitted, leave: leave ?? null };
  if (policy.faults === null) handler.onPassed(flow);
  else meetFault(exchange, flow, policy.faults, handler);
}

/** Keeps the request waiting, refuses it, both or neither. A delay counts for the time of the whole request. */
function meetFault(exchange: Exchange, flow: RequestFlow, faults: FaultSource, handler: GateHandler): void {
  const { facts } = flow;
  const leave = (): void => flow.leave?.();
  const refuse = (answer: LocalAnswer, outcome: string): void => {
    leave();
    handler.onRefused(answer, { ...flow, leave: null }, outcome);
  };
  const goOn = (delayed: RequestFlow): void => {
    const answer = faults.drawAbort(facts);
    if (answer === null) handler.onPassed(delayed);
    else refuse(answer, 'fault');
  };
  const delayMs = faults.drawDelay(facts);
  if (delayMs === 0) {
    goOn(flow);
    return;
  }
  const isTooLong = handler.limitMs > 0 && delayMs >= handler.limitMs;
  const timer = faults.wait(isTooLong ? handler.limitMs : delayMs, () => {
    if (isTooLong) refuse(routerError(504, facts.requestId, facts.request.fields), 'timeout_request');
    else goOn({ ...flow, policy: flow.policy.delayed ?? flow.policy });
  });
  const withdraw = (): void => {
    timer.cancel();
    leave();
  };
  exchange.handle(new Waiting(withdraw, handler));
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
