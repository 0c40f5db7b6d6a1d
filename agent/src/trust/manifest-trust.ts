/** Whether a manifest is signed, as the transfer asks it: over the metadata that the offer names and what this machine trusts already. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type ManifestRef, type MetadataFile, MetadataRole, UpdateKind } from '@iotdh/proto/update/v1';
import {
  createDeviceTrust,
  type DeviceTrust,
  folderStorage,
  type OfferedFile,
  type OfferedManifest,
  type Refused,
  type Role,
} from '@iotdh/trust/device';
import type { Log } from '../log/log.ts';
import type { Clock } from '../transfer/clock.ts';
import type { Failure, Pause } from '../transfer/outcome.ts';
import type { Vouching } from '../transfer/vouching.ts';

/** What an offer says, as it says it now: the same offer may come again with newer metadata. */
export type Offered = { metadata: readonly MetadataFile[]; times: number };

export type VouchedManifest = {
  ref: ManifestRef;
  transferId: string;
  offered: () => Offered;
  /** Asks the cloud for the offer again, because the metadata have run out. Absent: nobody can be asked. */
  askAgain?: () => void;
};

export type ManifestTrust = {
  vouchingFor(manifest: VouchedManifest): Vouching;
  /** What the clock says or, where that is behind it, the trusted time: for what must not come too late. */
  latestMs(): number;
  stop(): void;
};

export type ManifestTrustOptions = {
  /** Null: this machine was not told whom to trust, and takes no update. */
  anchor: Uint8Array | null;
  /** Holds what is trusted, one folder for each anchor. */
  folder: string;
  builtAtMs: number;
  clock: Clock;
  log: Log;
};

const roles: Partial<Record<MetadataRole, Role>> = {
  [MetadataRole.ROOT]: 'root',
  [MetadataRole.TARGETS]: 'targets',
  [MetadataRole.SNAPSHOT]: 'snapshot',
  [MetadataRole.TIMESTAMP]: 'timestamp',
};
/** So much of the time that has passed may be lost when the machine is switched off. */
const keepTimeMs = 3_600_000;
const askEveryMs = 60_000;

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

export function createManifestTrust(options: ManifestTrustOptions): ManifestTrust {
  const { anchor, folder, builtAtMs, clock, log } = options;
  const trust = anchor === null ? null : openTrust(anchor);
  let cancel = () => {};
  if (trust !== null) keepTime(trust);

  function openTrust(root: Uint8Array): DeviceTrust {
    const name = createHash('sha256').update(root).digest('hex').slice(0, 16);
    return createDeviceTrust({
      storage: folderStorage(join(folder, name)),
      anchor: root,
      builtAtMs,
      uptimeMs: clock.monotonicMs,
      wallMs: clock.now,
    });
  }

  function keepTime(kept: DeviceTrust): void {
    cancel = clock.after(keepTimeMs, () => {
      try {
        kept.keepTime();
      } catch (error) {
        // A full disk: what has passed is counted, and kept the next time.
        log({ level: 'warn', component: 'trust', message: `the trusted time was not kept: ${error}` });
      }
      keepTime(kept);
    });
  }

  function refuse({ rule, detail }: Refused, about: object): Failure {
    const message = `the manifest is not trusted (${rule}): ${detail}`;
    log({ level: 'warn', component: 'trust', message, about: { rule, ...about } });
    return { kind: 'failed', reason: 'unsigned', detail: message };
  }

  function vouchingFor({ ref, transferId, offered, askAgain }: VouchedManifest): Vouching {
    const manifest = manifestOf(ref);
    const about = { pack: `${manifest.name}@${manifest.version}`, manifest: manifest.digest };
    /** Since when the metadata have run out, and how often the offer had come by then. */
    let waiting: { times: number; askedMs: number } | null = null;

    function waitForFresh(refusal: Refused): Pause | Failure {
      const { times } = offered();
      if (askAgain === undefined || (waiting !== null && times > waiting.times))
        return refuse(refusal, about);
      const nowMs = clock.monotonicMs();
      if (waiting === null || nowMs - waiting.askedMs >= askEveryMs) {
        waiting = { times: waiting?.times ?? times, askedMs: nowMs };
        askAgain();
      }
      return { kind: 'paused', reason: 'not_now', detail: `${refusal.detail}; fresh ones are asked for` };
    }

    return {
      lacking() {
        const { metadata } = offered();
        const lacking = trust?.lacking(metadata.flatMap((file) => offeredFile(file) ?? [])) ?? [];
        return metadata.filter((file) => lacking.some(({ digest }) => digest === hex(file.digest)));
      },
      async verify(brought) {
        if (trust === null) {
          const detail = 'this machine was not told whom to trust: set trust.rootFile in its configuration';
          return refuse({ kind: 'refused', rule: 'no_anchor', detail }, about);
        }
        const files = brought.flatMap(({ file, bytes }) => {
          const known = offeredFile(file);
          return known === null ? [] : [{ role: known.role, version: known.version, bytes }];
        });
        const verdict = await trust.verify(manifest, files, transferId);
        if (verdict.kind === 'refused') {
          return verdict.rule === 'expired' ? waitForFresh(verdict) : refuse(verdict, about);
        }
        const { root, targets, timestamp } = verdict.versions;
        const by = `root ${root}, targets ${targets}, timestamp ${timestamp}`;
        log({ level: 'info', component: 'trust', message: `the manifest is signed (${by})`, about });
        if (verdict.doubt !== null) {
          log({ level: 'warn', component: 'trust', message: verdict.doubt, about });
        }
        return { kind: 'here' };
      },
    };
  }

  return {
    vouchingFor,
    latestMs: () => Math.max(clock.now(), trust?.timeMs() ?? builtAtMs),
    stop: () => cancel(),
  };
}

function manifestOf({ name, version, digest, size, kind }: ManifestRef): OfferedManifest {
  return { name, version, size, digest: hex(digest), kind: kind === UpdateKind.BASE ? 'base' : 'patch' };
}

/** Null: a role that a later contract may have. */
function offeredFile({ role, version, digest, size }: MetadataFile): OfferedFile | null {
  const known = roles[role];
  return known === undefined ? null : { role: known, version: Number(version), digest: hex(digest), size };
}
