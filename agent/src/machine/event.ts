/** What happens to the agent: the table's events with the data that each carries, and the answers that are only noted. */
import type { Disk, DroppedEnding, Manifest, ServicePack } from './update.ts';

/** The host application commands, a person answers, or somebody booted the machine to have it updated. */
export type HostEvent =
  | { type: 'sdk_cmdready' }
  | { type: 'sdk_cmdbusy' }
  | { type: 'sdk_confirmpatch' | 'sdk_confirmbase'; manifestDigest: string; person: string }
  | { type: 'sdk_postpone'; manifestDigest: string; person: string; untilMs: number }
  | { type: 'sdk_decline'; manifestDigest: string; person: string }
  | { type: 'boot_fwupd' };

export type CloudEvent =
  | { type: 'cloud_cmdupgrade'; pack: ServicePack }
  /** Names the base of a service pack that had none. */
  | { type: 'cloud_fallback'; updateId: string; base: Manifest };

/**
 * Nothing more will come of this update: the cloud cancelled it, or this machine cannot take it. `reason` is for the
 * operator. It moves nothing; whoever submits it lets `sdk_cmdbusy` and `sdk_cmdready` follow.
 */
export type DropEvent = { type: 'update_dropped'; updateId: string; ending: DroppedEnding; reason: string };

/** What the runner takes from the rest of the agent. */
export type OutsideEvent = HostEvent | CloudEvent | DropEvent;

/** What an effect came to. Each names the manifest that it worked on. */
export type ResultEvent =
  | { type: 'transfer_complete'; manifestDigest: string }
  | { type: 'prompt_issued'; manifestDigest: string }
  | { type: 'integrity_ok'; manifestDigest: string }
  /** `reason` is for the operator: which component, which check. */
  | { type: 'integrity_fault'; manifestDigest: string; reason: string }
  /** `proven`: the new system booted and passed its check; otherwise the machine is back on the one before. */
  | { type: 'boot_sys'; manifestDigest: string; proven: boolean };

/** What `next` takes: as above, with what the disk holds at the moment of `sdk_cmdready`. */
export type MachineEvent =
  | Exclude<HostEvent, { type: 'sdk_cmdready' }>
  | { type: 'sdk_cmdready'; disk: Disk }
  | CloudEvent
  | DropEvent
  | ResultEvent;
