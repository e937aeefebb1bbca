// The kernel plane: VIPs as elements of an nftables table.

export { directCommands, type Commands, type Outcome, type Tool } from './command.ts';
export * from './kernel-function.ts';
export * from './retire.ts';
export * from './self-test.ts';
