/**
 * What of the machine needs the host: one port. Installed natively the agent carries it out itself (`createHost`, `createApt`); in a
 * container it asks the host service, which carries it out with the same code.
 */
import type { Apt, Host } from '../install/ports.ts';

export type HostOperations = Host & {
  /** How long ago the machine was started. */
  uptimeMs(): Promise<number>;
  /** Undefined: this machine has no apt, or its host allows none. */
  apt?: Apt;
};
