/** The life of a service in a process of its own: start, serve health, and on a signal drain and end. */
import { type Health, serveHealth } from './health.ts';
import type { Log } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Service } from './service.ts';

export type RunOptions = {
  service: Service;
  metrics: Metrics;
  log: Log;
  health: { host: string; port: number };
  /** How long draining may take before the process ends anyway, ms. */
  graceMs: number;
  /** Closed in reverse order once the service has stopped: connections, tracing. */
  closeLast?: readonly (() => Promise<void>)[];
  process: Pick<NodeJS.Process, 'once' | 'exit' | 'send'>;
};

/** Starts the service and answers its health; from then on SIGTERM and SIGINT end the process with 0, or with 1 if it did not drain in time. */
export async function runService(options: RunOptions): Promise<Health> {
  const { service, metrics, log, graceMs, closeLast = [], process } = options;
  // First, so that a probe learns why it is not ready while it waits for what is away.
  const health = await serveHealth({ service, metrics, ...options.health });
  let ending = false;

  async function end(signal: string): Promise<void> {
    if (ending) return;
    ending = true;
    log.info('stopping', { signal });
    health.drain();
    const timer = setTimeout(() => {
      log.error('did not drain in time; what was not finished is done again by the next one', { graceMs });
      process.exit(1);
    }, graceMs);
    try {
      await service.stop();
      for (const close of closeLast.toReversed()) await close();
      await health.stop();
      log.info('stopped');
      process.exit(0);
    } catch (error) {
      log.error('stopping failed', { error });
      process.exit(1);
    } finally {
      clearTimeout(timer);
    }
  }
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void end(signal));
  await service.start();
  log.info('started', { health: health.url });
  // A parent that asks at the port of its health learns with this that it is this process which answers there.
  process.send?.('started');
  return health;
}
