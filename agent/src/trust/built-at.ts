/** Metadata that ran out before this program was made are never good: a floor for the time of a machine that knows nothing else. */

/** Moved forward with each release, and never ahead of it. */
export const builtAtMs = Date.UTC(2026, 10, 1);
