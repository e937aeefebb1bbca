// The daemon: its configuration, and how it is run.

export { parseConfig } from './config/index.ts';
export { runDaemon } from './run-daemon.ts';
