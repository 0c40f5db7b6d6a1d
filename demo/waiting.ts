/** Waiting with an end. */

/** How long anything but a person may take, in ms. */
const patienceMs = 120_000;

/** Aborts with the signal, or in good time with a reason that names what was waited for. */
export function limited(signal: AbortSignal, what: string): AbortSignal {
  const timeout = new AbortController();
  const giveUp = () => timeout.abort(new Error(`waited ${patienceMs / 1000} s for ${what}`));
  setTimeout(giveUp, patienceMs).unref();
  return AbortSignal.any([signal, timeout.signal]);
}

/** Resolves after `ms`. Rejects with the signal's reason. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', giveUp);
      resolve();
    }, ms);
    signal.addEventListener('abort', giveUp, { once: true });
  });
}
