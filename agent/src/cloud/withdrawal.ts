/** Ends an update that is not being applied: noted by the machine first, then stopped on the host application's behalf. */
import type { Log } from '../log/log.ts';
import type { DropEvent } from '../machine/event.ts';
import type { Answer } from '../machine/machine.ts';
import type { Unavailable } from '../machine/runner.ts';
import type { Snapshot } from '../machine/snapshot.ts';

export type WithdrawalOptions = {
  snapshot: () => Snapshot;
  submit: (event: DropEvent) => Promise<Answer | Unavailable>;
  /** As the API server's: through BUSY, and on to READY unless somebody holds the machine. Returns what refused it. */
  interrupt: () => Promise<{ kind: string } | null>;
  log: Log;
};

export type Withdrawal = {
  /** False: it is being applied, has ended, or the disk is full; nothing has changed then. */
  withdraw(updateId: string, ending: DropEvent['ending'], reason: string): Promise<boolean>;
  /** Ends what a crash has left half withdrawn. */
  resume(): Promise<void>;
};

const maxReasonLength = 500;

export function createWithdrawal({ snapshot, submit, interrupt, log }: WithdrawalOptions): Withdrawal {
  /** Whether the state still deals with an update that has ended. */
  function lingers(): boolean {
    const now = snapshot();
    return 'pack' in now && now.pack.updateId === now.memory.finished?.updateId;
  }

  async function resume(): Promise<void> {
    if (!lingers()) return;
    const refusal = await interrupt();
    if (refusal === null) return;
    log({
      level: 'warn',
      component: 'updates',
      message: `a withdrawn update could not be stopped: ${refusal.kind}`,
    });
  }

  return {
    resume,
    async withdraw(updateId, ending, reason) {
      const answer = await submit({
        type: 'update_dropped',
        updateId,
        ending,
        reason: reason.slice(0, maxReasonLength),
      });
      const about = { assignment_id: updateId, ending };
      if (answer.kind !== 'noted' && answer.kind !== 'moved') {
        log({
          level: 'warn',
          component: 'updates',
          message: `the update was not withdrawn: ${answer.reason}`,
          about,
        });
        return false;
      }
      log({ level: 'warn', component: 'updates', message: `the update has ended here: ${reason}`, about });
      await resume();
      return true;
    },
  };
}
