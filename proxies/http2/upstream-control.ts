// The forms that frames of control have which a backend sends (RFC 9113 §6).

import { errorCode, frameType } from './frame-words.ts';

/** The error that a frame is by its stream and length; `errorCode.none` where it is in order. */
export function controlFault(type: number, isAck: boolean, id: number, length: number): number {
  switch (type) {
    case frameType.settings:
      return connectionFault(id, isAck ? length === 0 : length % 6 === 0);
    case frameType.ping:
      return connectionFault(id, length === 8);
    case frameType.goaway:
      return connectionFault(id, length >= 8);
    case frameType.windowUpdate:
    case frameType.rstStream:
      // Those of four octets are dealt with.
      return errorCode.frameSize;
    case frameType.pushPromise:
      // It was not allowed.
      return errorCode.protocol;
    default:
      return errorCode.none;
  }
}

/** Of frames that are about the whole connection. */
function connectionFault(id: number, isWhole: boolean): number {
  if (id !== 0) return errorCode.protocol;
  return isWhole ? errorCode.none : errorCode.frameSize;
}
