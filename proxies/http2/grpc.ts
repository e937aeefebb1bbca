// What gRPC puts into fields of HTTP (its "PROTOCOL-HTTP2" document): how its requests are told, and how long they may take.

import { reasonOf, type FieldList, type LocalAnswer } from '../http1/index.ts';

/** Whether a Content-Type is that of gRPC; `application/grpc-web` is another protocol. */
export const isGrpcType = (type: string): boolean => /^application\/grpc(?:$|[+; ])/i.test(type);

const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 0.001, n: 0.000_001 };

/** A `grpc-timeout` in whole milliseconds, one at least; 0 where it is none. */
export function grpcTimeoutMs(text: string): number {
  const [, digits = '', unit = ''] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  return digits === '' ? 0 : Math.max(1, Math.ceil(Number(digits) * (unitMs[unit] ?? 0)));
}

/** The codes that we use of gRPC's. */
export const grpcStatus = {
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

/** specs/l7.md §3.7; the others as gRPC's clients read a status of HTTP. */
const codes: Readonly<Record<number, number>> = {
  401: grpcStatus.unauthenticated,
  403: grpcStatus.permissionDenied,
  404: grpcStatus.unimplemented,
  405: grpcStatus.unimplemented,
  408: grpcStatus.deadlineExceeded,
  413: grpcStatus.resourceExhausted,
  429: grpcStatus.resourceExhausted,
  431: grpcStatus.resourceExhausted,
  501: grpcStatus.unimplemented,
  502: grpcStatus.unavailable,
  503: grpcStatus.unavailable,
  504: grpcStatus.deadlineExceeded,
};

/** An error of ours in the form that a client of gRPC reads, if the request was one: an answer that is trailers alone. */
export function grpcAnswer(answer: LocalAnswer, request: FieldList): LocalAnswer {
  if (answer.status < 400 || !isGrpcType(request.get('content-type') ?? '')) return answer;
  const code = answer.grpcStatus ?? codes[answer.status] ?? grpcStatus.internal;
  const message = answer.detail ?? reasonOf(answer.status);
  const fields = [...answer.fields, ['grpc-status', String(code)], ['grpc-message', message]] as const;
  return { ...answer, status: 200, fields, contentType: 'application/grpc', body: '' };
}

/** As long as a tunnel: streams of gRPC are quiet between messages. */
const quietMs = 3_600_000;

/** How long the body of a request may pause, where `usualMs` is what others may; 0: for ever. */
export function silenceMs(request: FieldList, usualMs: number): number {
  const isGrpc = usualMs > 0 && isGrpcType(request.get('content-type') ?? '');
  return isGrpc ? Math.max(usualMs, quietMs) : usualMs;
}
