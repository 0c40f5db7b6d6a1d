/** For whoever starts the hub and must know when to go on: `/healthz` says that it runs, `/readyz` that it can write. */
import { type Handler, ok } from './exchange.ts';

export const healthy: Handler = () => ok({ status: 'ok' });

/** As long as a request is answered at all the store is open; while the hub restarts, its ports are closed. */
export const ready: Handler = (_call, { hostName, engine }) =>
  ok({ status: 'ready', hostName, devices: engine.registry.statistics().totalDeviceCount });
