/** Where the boot environment is kept: in a file that the boot loader itself reads, or in a record beside a boot loader. */
import type { BootEnvironment, Changed, Refused } from './boot-environment.ts';
import type { Inspection } from './slots.ts';

export type EnvironmentChange = (environment: BootEnvironment, inspection: Inspection) => Changed | Refused;

export type EnvironmentStore = {
  inspect(): Promise<Inspection>;
  /** Durable, at the boot loader too, when it resolves. Null: it was made, or there was nothing to change. */
  change(by: EnvironmentChange): Promise<Refused | null>;
};
