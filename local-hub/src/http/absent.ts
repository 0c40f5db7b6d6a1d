/** What Azure IoT Hub has and the local hub does not: answered plainly, so that nobody waits for a job that never runs. */
import { HubError } from '../engine/error.ts';
import type { Handler } from './exchange.ts';

/** A handler that answers 501, naming what is missing. */
export function absent(feature: string): Handler {
  return () => {
    throw new HubError('NotImplemented', `The local hub does not implement ${feature}`);
  };
}
