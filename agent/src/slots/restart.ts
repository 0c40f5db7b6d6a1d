/** A restart of the machine, from inside a process that it ends. */
import { type Clock, pause } from '../install/clock.ts';
import type { Host } from '../install/ports.ts';
import type { Failed } from '../machine/effect.ts';

export type RestartOptions = {
  host: Pick<Host, 'restartMachine' | 'bootId'>;
  clock: Clock;
  /** How long the machine may take to go down. */
  timeoutMs: number;
};

/** The effect that wants the restart. */
export type RestartJob = { id: string; signal: AbortSignal };

/** Asks for the restart and waits for the end of this process, which comes as the signal or as SIGKILL. */
export function createRestart({ host, clock, timeoutMs }: RestartOptions) {
  return async ({ id, signal }: RestartJob): Promise<Failed> => {
    const end = await host.restartMachine(`${id}/restart/${await host.bootId()}`);
    if (end.kind === 'stopped') return { kind: 'failed', reason: 'the agent stops' };
    if (end.kind === 'failed')
      return { kind: 'failed', reason: `the machine did not restart: ${end.reason}` };
    await pause(clock, timeoutMs, signal);
    if (signal.aborted) return { kind: 'failed', reason: 'the machine restarts', restarting: true };
    return { kind: 'failed', reason: 'the machine did not restart' };
  };
}
