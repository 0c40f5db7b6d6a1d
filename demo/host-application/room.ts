/** The room around the workstation: what people see on its screen, and what they say. */
import type { PendingUpdate, Progress, StateChange } from '@iotdh/sdk';

/** What can be seen on the screen of the workstation. */
export type Sight =
  | { kind: 'runs'; product: string; version: string }
  | { kind: 'examination'; running: boolean }
  | { kind: 'change'; change: StateChange }
  | { kind: 'progress'; progress: Progress }
  | { kind: 'answered'; answer: Answer; person: string }
  | { kind: 'trouble'; message: string };

/** What a person answers who was shown an update. */
export type Answer = 'confirm' | 'decline' | 'later';

export type Room = {
  show(sight: Sight): void;
  /** Shows the update and resolves to the answer. Rejects with the signal's reason when the question has lapsed. */
  ask(update: PendingUpdate, signal: AbortSignal): Promise<Answer>;
};
