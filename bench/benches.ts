/** Every benchmark by its name on the command line; loaded when it runs, since each brings its own SDKs. */
import type { Bench } from './bench.ts';
import type { Row } from './results.ts';

export const benches: Record<string, () => Promise<Bench<Row[] | string>>> = {
  backend: async () => (await import('./backend/bench.ts')).backendBench,
  hub: async () => (await import('./hub/bench.ts')).hubBench,
  agent: async () => (await import('./agent/bench.ts')).agentBench,
  transfer: async () => (await import('./transfer/bench.ts')).transferBench,
  delta: async () => (await import('./delta/bench.ts')).deltaBench,
  slots: async () => (await import('./slots/bench.ts')).slotsBench,
  sdk: async () => (await import('./sdk/bench.ts')).sdkBench,
};
