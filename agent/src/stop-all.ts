/** Stops what runs side by side, and says what takes its time. */

export type StopOptions = {
  after: (ms: number, callback: () => void) => () => void;
  slowMs: number;
  onSlow: (names: string[]) => void;
};

/** Calls `onSlow` once with the names of what is still under way after `slowMs`, if anything is. */
export async function stopAll(
  parts: Record<string, { stop(): Promise<void> }>,
  { after, slowMs, onSlow }: StopOptions,
): Promise<void> {
  const underWay = new Set(Object.keys(parts));
  const cancel = after(slowMs, () => onSlow([...underWay]));
  try {
    await Promise.all(
      Object.entries(parts).map(async ([name, part]) => {
        await part.stop();
        underWay.delete(name);
      }),
    );
  } finally {
    cancel();
  }
}
