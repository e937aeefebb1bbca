// `isthmus zone`: every DNS record that the daemon answers with.

import type { Command } from 'commander';
import { viewCommand } from './view-command.ts';

export function zoneCommand(): Command {
  return viewCommand({
    name: 'zone',
    description: 'print the DNS records that the daemon answers with',
    line: 'NAME TTL IN TYPE RDATA',
    examples: ['isthmus zone', "isthmus zone | grep ' SRV '", 'isthmus zone --json --admin http://10.0.0.5:9099'],
  });
}
