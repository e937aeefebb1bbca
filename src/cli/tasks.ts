// `isthmus tasks`: what the cluster runs, as the daemon sees it.

import { Command } from 'commander';
import { type AdminOptions, askJson, withAdmin } from './admin-client.ts';
import { formatColumns } from './columns.ts';
import { isColourWanted, print, printJson } from './output.ts';
import { type AnswerRecord, cell, recordsIn, textsIn } from './records.ts';

interface TasksOptions extends AdminOptions {
  readonly all: boolean;
  readonly json: boolean;
}

export function tasksCommand(): Command {
  const command = new Command('tasks')
    .description('print the tasks of the cluster, as the daemon sees them')
    .option('--all', 'unreachable and ended ones too', false)
    .option('--json', 'print all that is known of each', false)
    .addHelpText('after', '\nExamples:\n  isthmus tasks\n  isthmus tasks --all\n  isthmus tasks --json | jq length')
    .action(async (options: TasksOptions) => {
      const tasks = await askJson(options, options.all ? '/v1/tasks?all=1' : '/v1/tasks');
      if (options.json) printJson(tasks);
      else print(formatColumns(heads, recordsIn(tasks).map(row), { colour: isColourWanted() }) || 'no tasks');
    });
  return withAdmin(command);
}

const heads = ['FRAMEWORK', 'NAME', 'STATE', 'HEALTH', 'AGENT', 'ADDRESS', 'PORTS', 'TASK'];

function row(task: AnswerRecord): readonly string[] {
  return [
    cell(task['framework']),
    cell(task['taskName']),
    cell(task['state']).replace(/^TASK_/, ''),
    health(task['mesosHealthy']),
    cell(task['agentIp']),
    textsIn(task['taskIps']).join(' ') || '-',
    recordsIn(task['ports']).map(portText).join(' ') || '-',
    cell(task['taskId']),
  ];
}

function health(healthy: unknown): string {
  if (healthy === null || healthy === undefined) return '-';
  return healthy === true ? 'good' : 'bad';
}

/** `http=21080`; the port on the agent where there is one, else the container's. */
function portText(port: AnswerRecord): string {
  const number = cell(port['hostPort'] ?? port['containerPort']);
  const name = cell(port['name']);
  const protocol = port['protocol'] === 'udp' ? '/udp' : '';
  return `${name === '-' ? '' : `${name}=`}${number}${protocol}`;
}
