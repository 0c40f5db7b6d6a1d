/**
 * How a site engineer has the machine started into firmware update: they leave an empty file where only the agent's own
 * user may write, and start the machine or the agent. It confirms the base that waits, without the host application.
 */
import { existsSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { syncFolder } from '../durable/document.ts';
import type { Log } from '../log/log.ts';
import type { MachineEvent } from '../machine/event.ts';
import type { Answer } from '../machine/machine.ts';
import type { Unavailable } from '../machine/runner.ts';
import type { State } from '../machine/table.ts';

export type FirmwareUpdateRequestOptions = {
  /** The file. */
  path: string;
  submit: (event: Extract<MachineEvent, { type: 'boot_fwupd' }>) => Promise<Answer | Unavailable>;
  log: Log;
};

export type FirmwareUpdateRequest = {
  /**
   * The machine is in this state now; the first call tells where the start found it. Only a base that waits then is confirmed,
   * never one that comes later. Rejects when the file cannot be removed.
   */
  onState(state: State): Promise<void>;
};

/**
 * Looks for the file once. It goes only after the journal holds what it asked for, so that no crash loses it; a start that finds
 * the base being applied already removes what is left of it.
 */
export function createFirmwareUpdateRequest(options: FirmwareUpdateRequestOptions): FirmwareUpdateRequest {
  const { path, submit, log } = options;
  let asked = existsSync(path);

  function warn(message: string): void {
    log({ level: 'warn', component: 'agent', message: `firmware update was asked for, but ${message}` });
  }

  return {
    async onState(state) {
      if (!asked || state === 'READY_WITHBASE') return;
      asked = false;
      if (state === 'WAIT_CONFIRM_BASE') {
        const answer = await submit({ type: 'boot_fwupd' });
        if (answer.kind === 'not_recorded' || answer.kind === 'unavailable')
          return warn(`cannot begin now (${answer.reason}): the next start tries again`);
        if (answer.kind === 'refused') warn(`is refused in ${answer.state}`);
      } else if (state !== 'APPLYING_BASE') warn('no base waits');
      rmSync(path, { force: true });
      syncFolder(dirname(path));
    },
  };
}
