/** Applies the PATCH of a manifest as one transaction over all its components: wholly, or not at all. */
import type { Manifest } from '@iotdh/proto/update/v1';
import type { InstallOutcome } from './outcome.ts';

/** A manifest to apply, whose contents are on disk. */
export type Job = {
  /** Names the job for ever: letters, digits, '.', '_' and '-', at most 100. */
  id: string;
  /** A PATCH. */
  manifest: Manifest;
  /** Where a content lies, by the lower-case hex of its SHA-256. */
  contentPath: (digestHex: string) => string;
  /** Aborted when the agent stops: `apply` settles soon with `failed`, and goes on when it is called again. */
  signal: AbortSignal;
  /** Called whenever something durable was gained. */
  progress(): void;
};

/** `passing`: it may be met later without anything being changed in the manifest or the machine's software. */
export type Preflight = { kind: 'met' } | { kind: 'unmet'; reason: string; passing?: boolean };

export type Installer = {
  /**
   * What a PATCH asks of this machine and whether it has it, before a byte of its objects moves. `carryBytes`: what is still to be
   * written to the agent's folder, default 0. Every requirement that is not met is in the reason.
   */
  preflight(manifest: Manifest, carryBytes?: number): Promise<Preflight>;
  /** The requirements alone, which a BASE has too. */
  requirements(manifest: Manifest, carryBytes?: number): Promise<Preflight>;
  /** Idempotent by `id`: called again, it goes on where its journal says, or answers how it ended. */
  apply(job: Job): Promise<InstallOutcome>;
  /** Forgets the journal and the stage of a job that is over or changed nothing. Throws for one that is half applied. */
  forget(id: string): Promise<void>;
};
