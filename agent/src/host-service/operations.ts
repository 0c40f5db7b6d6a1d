/**
 * What of the machine needs the host: one port. Installed natively the agent carries it out itself (`createNativeOperations`); in a
 * container it asks the host service (`createRemoteOperations`), which carries it out with the same code.
 */
import type { Apt, Host, WindowsUpdate } from '../install/ports.ts';
import type { Slots } from '../slots/slots.ts';

export type HostOperations = Host & {
  /** How long ago the machine was started. */
  uptimeMs(): Promise<number>;
  /** True also for a machine that has no battery. */
  onMainsPower(): Promise<boolean>;
  /** Undefined: this machine has no apt, or its host allows none. */
  apt?: Apt;
  /** Undefined: this is no Windows, or its host allows none. */
  windows?: WindowsUpdate;
  /** Undefined: the settings name none. */
  slots?: Slots;
};
