// `isthmus vips`: every VIP and its backends.

import type { Command } from 'commander';
import { viewCommand } from './view-command.ts';

export function vipsCommand(): Command {
  return viewCommand({
    name: 'vips',
    description: 'print the VIPs and their backends',
    line: 'tcp NAME ADDRESS:PORT -> IP:PORT weight=1 …',
    examples: ['isthmus vips', 'isthmus vips --json'],
  });
}
