/** One after another, in the order of asking, for work that goes badly side by side. */

/** Runs the work when its turn has come, and answers what it answers. */
export type InTurn = <T>(work: () => Promise<T>) => Promise<T>;

/** Who has waited for `patienceMs` goes ahead out of turn: taking turns is for speed alone. */
export function createTurns(patienceMs: number): InTurn {
  const waiting = new Set<(itsTurn: boolean) => void>();
  let taken = false;

  /** False: it goes out of turn. */
  function turn(): Promise<boolean> {
    if (!taken) {
      taken = true;
      return Promise.resolve(true);
    }
    return new Promise((resolve) => {
      const go = (itsTurn: boolean): void => {
        clearTimeout(timer);
        waiting.delete(go);
        resolve(itsTurn);
      };
      const timer = setTimeout(go, patienceMs, false);
      waiting.add(go);
    });
  }

  function pass(): void {
    const [next] = waiting;
    if (next === undefined) taken = false;
    else next(true);
  }

  return async (work) => {
    const itsTurn = await turn();
    try {
      return await work();
    } finally {
      if (itsTurn) pass();
    }
  };
}
