/** Wakes the one who waits. A ring that nobody waits for is kept, so that none is missed. */

export type Bell = {
  ring(): void;
  /** Resolves at the next ring, or at once if there was one since the last wait. */
  wait(): Promise<void>;
};

export function createBell(): Bell {
  let rung = false;
  let wake: (() => void) | null = null;
  return {
    ring() {
      rung = true;
      wake?.();
    },
    async wait() {
      if (!rung) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      wake = null;
      rung = false;
    },
  };
}
