/** How applying a PATCH ended. */
import type { StepOutcome } from '@iotdh/proto/bus/v1';

export type InstallOutcome =
  /** Every component runs and passed its checks. */
  | { kind: 'applied'; steps: StepOutcome[] }
  /** A component or a check failed. `takenBack`: the machine is as it was; otherwise it needs a BASE. */
  | { kind: 'fault'; reason: string; takenBack: boolean; steps: StepOutcome[] }
  /**
   * The surroundings did not let it begin, or the agent stops: call again with the same id. `passing`: nothing was changed, and what
   * is missing (room, memory, mains power) may come by itself, so that no number of attempts makes this a fault.
   */
  | { kind: 'failed'; reason: string; passing?: boolean }
  /** The machine is going down as the manifest asks: call again with the same id after the boot. */
  | { kind: 'restarting' };
