/** Named places around every durable step, where a test can kill the process: nothing else ever listens here. */

/**
 * - `before_journal`: the event is accepted, nothing is written;
 * - `after_journal`: the transition is durable, nobody was told and no effect was begun;
 * - `before_effect`: the attempt is counted, the effect is not begun;
 * - `after_effect`: the effect is over, its end is not written.
 */
export const failPoints = ['before_journal', 'after_journal', 'before_effect', 'after_effect'] as const;
export type FailPoint = (typeof failPoints)[number];

/** Called at each point with the name of the event or of the effect's kind. */
export type OnFailPoint = (point: FailPoint, subject: string) => void;
