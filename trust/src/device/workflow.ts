/**
 * The client workflow of the TUF specification 1.0 (section 5), driven step by step over the library's set of trusted metadata,
 * which makes every check. The library's own Updater wants a web server and writes its files without flushing them; here the
 * files come from whatever has carried them, and each is durable before the next one is looked at.
 */
import type { Metadata, Root, Snapshot, Targets, Timestamp } from '@tufjs/models';
import { TrustedMetadataStore } from 'tuf-js/dist/store.js';
import { issuedMs } from '../format/issued.ts';
import { maxRootRotations, type Role } from '../format/limits.ts';
import { fileName } from '../format/names.ts';
import { readMetadata } from '../format/read-metadata.ts';
import { type Refused, refused } from '../format/refusal.ts';
import { ruleOf } from './rule-of.ts';
import type { Storage } from './storage.ts';
import type { TrustedTime } from './trusted-time.ts';

/** The bytes of an offered file, by its name in a repository; null: it was not offered. */
export type Offered = (fileName: string) => Uint8Array | null;

export type Trusted = {
  kind: 'trusted';
  root: Metadata<Root>;
  timestamp: Metadata<Timestamp>;
  snapshot: Metadata<Snapshot>;
  targets: Metadata<Targets>;
};

export type WorkflowOptions = {
  storage: Storage;
  anchor: Uint8Array;
  time: TrustedTime;
  /** False: what has run out is good once more, in everything else nothing changes. */
  judgesExpiry: boolean;
};

/** What ends the workflow before its end. */
class Stop extends Error {
  readonly refusal: Refused;

  constructor(refusal: Refused) {
    super(refusal.detail);
    this.refusal = refusal;
  }
}

/** What is verified on the way is kept even if a later step refuses, as the specification says. Throws when the disk does. */
export function runWorkflow(options: WorkflowOptions, offered: Offered): Trusted | Refused {
  try {
    return refresh(options, offered);
  } catch (error) {
    if (error instanceof Stop) return error.refusal;
    throw error;
  }
}

function refresh(
  { storage, anchor, time, judgesExpiry }: WorkflowOptions,
  offered: Offered,
): Trusted | Refused {
  // 5.2: load trusted root metadata. 5.1, the fixed time, is ours and not the machine's.
  const store = attempt(
    'root',
    () => new TrustedMetadataStore(strict('root', storage.read('root.json') ?? anchor)),
  );
  const nowMs = () => (judgesExpiry ? time.now() : 0);
  // The library takes the machine's clock, and has no option for another.
  const timed = store as unknown as { referenceTime: Date };
  const setTime = () => {
    timed.referenceTime = new Date(nowMs());
  };

  updateRoot(store, storage, offered);
  forgetWhatAnotherKeySigned(store, storage, time);
  setTime();

  const timestamp = updateTimestamp(store, storage, offered);
  const issued = issuedMs(timestamp.signed);
  if (typeof issued === 'number') time.raise(issued);
  setTime();
  // 5.3.10 again: what the timestamp says of the time counts for the root too.
  if (store.root.signed.isExpired(new Date(nowMs()))) throw expired('root');
  if (timestamp.signed.isExpired(new Date(nowMs()))) throw expired('timestamp');

  const snapshot = updateSnapshot(store, storage, offered);
  const targets = updateTargets(store, storage, offered, snapshot);
  return { kind: 'trusted', root: store.root, timestamp, snapshot, targets };
}

/** 5.3: every successor of the root, each vouched for by the one before. An expired one still can. */
function updateRoot(store: TrustedMetadataStore, storage: Storage, offered: Offered): void {
  const first = store.root.signed.version + 1;
  for (let version = first; version < first + maxRootRotations; version += 1) {
    const bytes = offered(fileName('root', version));
    if (bytes === null) return;
    attempt('root', () => store.updateRoot(strict('root', bytes)));
    storage.write('root.json', bytes);
  }
}

/**
 * 5.3.11, the recovery from a fast-forward attack: metadata of a key that was rotated out are gone, and the time that it told. What
 * shows that this is to be done goes last, so that it is done again after a power cut.
 */
function forgetWhatAnotherKeySigned(store: TrustedMetadataStore, storage: Storage, time: TrustedTime): void {
  const isStill = (role: 'timestamp' | 'snapshot', bytes: Buffer) => {
    const read = readMetadata(role, bytes);
    if (read.kind === 'refused') return false;
    try {
      store.root.verifyDelegate(role, read.metadata);
      return true;
    } catch {
      return false;
    }
  };
  const timestamp = storage.read('timestamp.json');
  const snapshot = storage.read('snapshot.json');
  if (timestamp !== null && !isStill('timestamp', timestamp)) {
    time.reset();
    storage.remove('snapshot.json');
    storage.remove('timestamp.json');
  } else if (snapshot !== null && !isStill('snapshot', snapshot)) {
    // The timestamp names a version of the snapshot below which nothing would be taken.
    storage.remove('timestamp.json');
    storage.remove('snapshot.json');
  }
}

/** 5.4 */
function updateTimestamp(
  store: TrustedMetadataStore,
  storage: Storage,
  offered: Offered,
): Metadata<Timestamp> {
  const local = storage.read('timestamp.json');
  // An expired one is still what a new one must not be older than.
  if (local !== null) tolerate(() => store.updateTimestamp(strict('timestamp', local)));
  const before = store.timestamp;
  const bytes = offered(fileName('timestamp', 0));
  if (bytes !== null) {
    const read = readMetadata('timestamp', bytes);
    if (read.kind === 'refused') throw new Stop(read);
    const problem = timeProblem(read.metadata, before);
    const isNewer = read.metadata.signed.version !== before?.signed.version;
    if (isNewer) {
      attempt('timestamp', () => {
        // Its signature first: what is not signed has no time that could be wrong.
        store.root.verifyDelegate('timestamp', read.metadata);
        if (problem !== undefined) throw new Stop(problem);
        return store.updateTimestamp(Buffer.from(bytes));
      });
      storage.write('timestamp.json', bytes);
    }
  }
  return store.timestamp ?? stop(refused('missing_metadata', 'no timestamp is here, and none was offered'));
}

/** Who signs a timestamp also says when: not after it ends, and not before the one that it follows. */
function timeProblem(
  { signed }: Metadata<Timestamp>,
  before: Metadata<Timestamp> | undefined,
): Refused | undefined {
  const issued = issuedMs(signed);
  if (issued === null) return undefined;
  if (issued === 'malformed') return refused('malformed', 'the timestamp does not say when it was signed');
  if (issued >= Date.parse(signed.expires)) {
    return refused('malformed', 'the timestamp was signed after its own end');
  }
  const last = before && issuedMs(before.signed);
  return typeof last === 'number' && issued < last
    ? refused('rollback', `timestamp ${signed.version} was signed before the one that it follows`)
    : undefined;
}

/** 5.5 */
function updateSnapshot(store: TrustedMetadataStore, storage: Storage, offered: Offered): Metadata<Snapshot> {
  const local = storage.read('snapshot.json');
  const kept = local !== null && tolerate(() => store.updateSnapshot(strict('snapshot', local), true));
  if (kept === false) {
    const version = store.timestamp?.signed.snapshotMeta.version ?? 0;
    const bytes = needed('snapshot', version, offered);
    attempt('snapshot', () => store.updateSnapshot(strict('snapshot', bytes)));
    storage.write('snapshot.json', bytes);
  }
  return store.snapshot ?? stop(refused('missing_metadata', 'there is no snapshot'));
}

/** 5.6, for the top-level targets; no delegation is followed. */
function updateTargets(
  store: TrustedMetadataStore,
  storage: Storage,
  offered: Offered,
  snapshot: Metadata<Snapshot>,
): Metadata<Targets> {
  const local = storage.read('targets.json');
  const load = (bytes: Uint8Array) => {
    store.updateDelegatedTargets(strict('targets', bytes), 'targets', 'root');
  };
  if (local === null || !tolerate(() => load(local))) {
    const meta = Object.entries(snapshot.signed.meta).find(([name]) => name === 'targets.json')?.[1];
    if (meta === undefined) throw new Stop(refused('missing_metadata', 'the snapshot names no targets'));
    const bytes = needed('targets', meta.version, offered);
    attempt('targets', () => load(bytes));
    storage.write('targets.json', bytes);
  }
  const targets = store.targets ?? stop(refused('missing_metadata', 'there are no targets'));
  if (targets.signed.delegations !== undefined) {
    throw new Stop(refused('unsupported', 'the targets delegate, which this project does not know'));
  }
  return targets;
}

function needed(role: Role, version: number, offered: Offered): Uint8Array {
  const bytes = offered(fileName(role, version));
  return bytes ?? stop(refused('missing_metadata', `${fileName(role, version)} was not offered`));
}

/** The bytes again, once they have passed what the library does not look at. */
function strict(role: Role, bytes: Uint8Array): Buffer {
  const read = readMetadata(role, bytes);
  if (read.kind === 'refused') throw new Stop(read);
  return Buffer.from(bytes);
}

function attempt<T>(role: Role, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw new Stop(ruleOf(role, error));
  }
}

/** What is on disk was verified once; by new keys, or a later time, it may not be any more. */
function tolerate(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

const expired = (role: Role) => new Stop(refused('expired', `the ${role} metadata have expired`));

function stop(refusal: Refused): never {
  throw new Stop(refusal);
}
