/** `iotdh dev down`, `status` and `reset`. */
import { readdir, rm } from 'node:fs/promises';
import { confirmed } from '../confirmed.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Format, formatOf, printJson } from '../output/format.ts';
import { tableText } from '../output/table.ts';
import type { Terminal } from '../terminal.ts';
import { isAlive, ownerOf } from './folder-lock.ts';
import { portsFile } from './ports.ts';
import { healthUrlOf, serviceNames } from './service-parts.ts';
import { readSummary, removeSummary } from './summary.ts';
import { isReady } from './until-ready.ts';

/** Services drain first. */
const downMs = 45_000;
const pollMs = 100;

export async function down(terminal: Terminal, folder: string): Promise<void> {
  const owner = await ownerOf(folder);
  if (owner === undefined) {
    await removeSummary(folder);
    terminal.note(`Nothing runs in ${folder}.`);
    return;
  }
  process.kill(owner.pid, 'SIGTERM');
  const deadlineMs = terminal.now().getTime() + downMs;
  while (isAlive(owner)) {
    if (terminal.now().getTime() > deadlineMs) {
      // Its parts end with it.
      process.kill(owner.pid, 'SIGKILL');
      terminal.note(`Process ${owner.pid} did not end in time and was killed.`);
      break;
    }
    await terminal.wait(pollMs);
  }
  await removeSummary(folder);
  terminal.note('Stopped. The data stay; iotdh dev up goes on with them.');
}

type Row = { part: string; pid: number; state: string; log: string };

/** Resolves to the exit code: 1 when it does not run as a whole. */
export async function status(
  terminal: Terminal,
  folder: string,
  output: Format | undefined,
): Promise<number> {
  const format = formatOf(output, terminal);
  const owner = await ownerOf(folder);
  const summary = owner === undefined ? undefined : await readSummary(folder);
  const rows: Row[] = await Promise.all(
    (summary?.parts ?? []).map(async ({ name, pid, logPath }) => {
      const services = name === 'backend' ? serviceNames : serviceNames.filter((one) => one === name);
      const ready = await Promise.all(
        services.map(
          (one) => summary !== undefined && isReady(healthUrlOf(one, summary.ports), terminal.signal),
        ),
      );
      const healthy = services.length > 0 ? ready.every((one) => one) : isAlive({ pid, began: '' });
      return { part: name, pid, state: healthy ? 'ready' : 'not ready', log: logPath };
    }),
  );
  const state = owner === undefined ? 'stopped' : summary === undefined ? 'starting' : 'running';
  if (format === 'name') terminal.out(`${state}\n`);
  else if (format !== 'table') {
    const { apiUrl = '', brokerUrl = '', caPath = '', operatorTokenFile = '' } = summary ?? {};
    await printJson(terminal, format, {
      state,
      folder,
      apiUrl,
      brokerUrl,
      caPath,
      operatorTokenFile,
      parts: rows,
    });
  } else {
    terminal.out(`${state} in ${folder}${summary === undefined ? '' : `, API at ${summary.apiUrl}`}\n`);
    if (rows.length > 0) {
      const columns = [
        { header: 'PART', value: ({ part }: Row) => part },
        { header: 'PID', value: ({ pid }: Row) => String(pid) },
        {
          header: 'STATE',
          value: (row: Row) => terminal.style(row.state === 'ready' ? 'green' : 'red', row.state),
        },
        { header: 'LOG', value: ({ log }: Row) => log },
      ];
      terminal.out(tableText(columns, rows, terminal));
    } else if (state === 'stopped') terminal.note('Start it with: iotdh dev up');
  }
  return state === 'running' && rows.every((row) => row.state === 'ready') ? exitCode.ok : exitCode.failed;
}

/** Removes the data, after asking. Throws a `Failure` when it runs, or when the folder is not one of ours. */
export async function reset(terminal: Terminal, folder: string, yes: boolean): Promise<void> {
  const entries: string[] = await readdir(folder).catch(() => []);
  if (entries.length === 0) {
    terminal.note(`There is nothing in ${folder}.`);
    return;
  }
  if (!entries.includes(portsFile)) {
    throw new Failure(exitCode.usage, `${folder} is no folder of iotdh dev; nothing was removed`);
  }
  if ((await ownerOf(folder)) !== undefined) {
    throw new Failure(exitCode.failed, `the environment in ${folder} runs`, {
      next: 'Stop it first: iotdh dev down',
    });
  }
  if (!yes && !(await confirmed(terminal, `Remove every device, pack and log in ${folder}?`))) {
    throw new Failure(exitCode.usage, 'nothing was removed', {
      next: 'Say --yes to remove it without a question.',
    });
  }
  await rm(folder, { recursive: true, force: true });
  terminal.note(`Removed ${folder}.`);
}
