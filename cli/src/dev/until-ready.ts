/** Waits until a service says that it is ready. */
import { setTimeout } from 'node:timers/promises';

const pollMs = 50;
const answerMs = 2_000;

/** Asks `/readyz` until it answers with 200; rejects when the signal aborts. */
export async function untilReady(healthUrl: string, signal: AbortSignal): Promise<void> {
  while (!(await isReady(healthUrl, signal))) await setTimeout(pollMs, undefined, { signal });
}

/** Whether the service at this address is ready now. */
export async function isReady(healthUrl: string, signal?: AbortSignal): Promise<boolean> {
  const limit = AbortSignal.timeout(answerMs);
  const both = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  try {
    const response = await fetch(`${healthUrl}/readyz`, { signal: both });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
