// `isthmus routes`: every route of the router and its backends.

import type { Command } from 'commander';
import { viewCommand } from './view-command.ts';

export function routesCommand(): Command {
  return viewCommand({
    name: 'routes',
    description: 'print the routes of the router and their backends',
    line: 'LISTENER HOST PATH -> /app:port [reason]',
    examples: ['isthmus routes', 'isthmus routes | grep shop.example', 'isthmus routes --json'],
  });
}
