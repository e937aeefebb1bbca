// A gRPC server of grpc-js for tests, without protoc: messages are octets. Its methods are one of each kind, and some that misbehave.

import {
  Metadata,
  Server,
  ServerCredentials,
  type handleBidiStreamingCall,
  type handleClientStreamingCall,
  type handleServerStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  type ServiceDefinition,
} from '@grpc/grpc-js';

type Octets = Buffer;

function method(name: string, requestStream: boolean, responseStream: boolean): MethodDefinition<Octets, Octets> {
  const same = (octets: Octets): Octets => octets;
  return {
    path: `/test.Echo/${name}`,
    requestStream,
    responseStream,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

export const echoService = {
  unary: method('Unary', false, false),
  collect: method('Collect', true, false),
  count: method('Count', false, true),
  talk: method('Talk', true, true),
  never: method('Never', false, false),
  fails: method('Fails', false, false),
} as const satisfies ServiceDefinition;

export interface GrpcApp {
  readonly port: number;
  /** Calls of `never` and `talk` that their clients gave up. */
  readonly cancelled: string[];
  /** Milliseconds that calls had left when they came; Infinity without a deadline. */
  readonly leftMs: number[];
  close(): void;
}

const unary: handleUnaryCall<Octets, Octets> = (call, done) => {
  const trailers = new Metadata();
  trailers.set('x-sum-bin', Buffer.from([0, 255]));
  const head = new Metadata();
  head.set('x-seen', String(call.metadata.get('x-own')[0] ?? ''));
  call.sendMetadata(head);
  done(null, call.request, trailers);
};

const collect: handleClientStreamingCall<Octets, Octets> = (call, done) => {
  let size = 0;
  call.on('data', (octets: Octets) => (size += octets.length));
  call.on('end', () => done(null, Buffer.from(String(size))));
};

const count: handleServerStreamingCall<Octets, Octets> = (call) => {
  const messages = Number(call.request.toString());
  let i = 0;
  const more = (): void => {
    while (i < messages) if (!call.write(Buffer.from(`${i++}`.padEnd(1_000)))) return;
    call.off('drain', more);
    call.end();
  };
  call.on('drain', more);
  more();
};

/** `credentials`: PEM of key and certificate; null: in the clear. */
export async function startGrpcApp(
  credentials: { readonly key: string; readonly cert: string } | null,
): Promise<GrpcApp> {
  const cancelled: string[] = [];
  const leftMs: number[] = [];
  const talk: handleBidiStreamingCall<Octets, Octets> = (call) => {
    call.on('data', (octets: Octets) => call.write(octets));
    call.on('end', () => call.end());
    call.on('cancelled', () => cancelled.push('talk'));
  };
  const never: handleUnaryCall<Octets, Octets> = (call) => {
    leftMs.push(Number(call.getDeadline()) - Date.now());
    call.on('cancelled', () => cancelled.push('never'));
  };
  const fails: handleUnaryCall<Octets, Octets> = (_call, done) => done({ code: 9, details: 'as it should: ü' });
  const server = new Server();
  server.addService(echoService, { unary, collect, count, talk, never, fails });
  const own =
    credentials === null
      ? ServerCredentials.createInsecure()
      : ServerCredentials.createSsl(null, [
          { private_key: Buffer.from(credentials.key), cert_chain: Buffer.from(credentials.cert) },
        ]);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', own, (error, bound) => (error === null ? resolve(bound) : reject(error)));
  });
  return { port, cancelled, leftMs, close: () => server.forceShutdown() };
}
