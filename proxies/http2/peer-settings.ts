// Reads a peer's SETTINGS (RFC 9113 §6.5.2).

import type { HpackEncoder } from './hpack-encoder.ts';
import { errorCode, leastFrameBytes, mostFrameBytes, mostWindow, setting } from './frame-words.ts';

/** What a server alone may ask for, or grant. */
export interface ServerSettings {
  mostStreams: number;
  /** RFC 8441. */
  connectProtocol: boolean;
}

/** What settings of a peer change about what it gets. */
export interface PeerSettings {
  readonly encoder: HpackEncoder;
  mostFrameBytes: number;
  /** Absent: the peer is a client. */
  readonly server?: ServerSettings;
  /** False: a stream's window would be larger than one can be. */
  setStreamWindow(window: number): boolean;
}

/** Applies the settings in `bytes` in their order; returns the error that one of them is, or `errorCode.none`. */
export function applySettings(peer: PeerSettings, bytes: Buffer, from: number, to: number): number {
  for (let at = from; at < to; at += 6) {
    const code = apply(peer, bytes.readUInt16BE(at), bytes.readUInt32BE(at + 2));
    if (code !== errorCode.none) return code;
  }
  return errorCode.none;
}

function apply(peer: PeerSettings, id: number, value: number): number {
  switch (id) {
    case setting.headerTableSize:
      peer.encoder.setTableBytes(value);
      return errorCode.none;
    case setting.initialWindowSize:
      return value <= mostWindow && peer.setStreamWindow(value) ? errorCode.none : errorCode.flowControl;
    case setting.maxFrameSize:
      if (value < leastFrameBytes || value > mostFrameBytes) return errorCode.protocol;
      // Larger ones would hold up what is more urgent.
      peer.mostFrameBytes = leastFrameBytes;
      return errorCode.none;
    case setting.maxConcurrentStreams:
      if (peer.server !== undefined) peer.server.mostStreams = value;
      return errorCode.none;
    case setting.enablePush:
      // Servers never ask to be pushed to.
      return value > (peer.server === undefined ? 1 : 0) ? errorCode.protocol : errorCode.none;
    case setting.enableConnectProtocol:
      if (peer.server !== undefined) peer.server.connectProtocol = value === 1;
      return value > 1 ? errorCode.protocol : errorCode.none;
    case setting.noRfc7540Priorities:
      return value > 1 ? errorCode.protocol : errorCode.none;
    default:
      return errorCode.none;
  }
}
