// A listener of control with its own life.

export interface ControlServer {
  start(): Promise<void>;
  /** Answers what is under way first, for some seconds at most. */
  stop(): Promise<void>;
}
