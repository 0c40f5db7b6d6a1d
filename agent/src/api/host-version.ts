/** Which host application runs on the machine, as it said last. */
import { equals, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type ReportVersionRequest, ReportVersionRequestSchema } from '@iotdh/proto/agent/v1';
import { done, type Outcome } from './refusal.ts';
import type { HostStore } from './store/open-store.ts';

export type HostVersion = {
  report(version: ReportVersionRequest): Outcome<null>;
  /** Null until it has been said. */
  last(): ReportVersionRequest | null;
};

/** `onChange` is called once another version than before is on disk. */
export function createHostVersion({
  store,
  onChange,
}: {
  store: HostStore;
  onChange?: () => void;
}): HostVersion {
  function last(): ReportVersionRequest | null {
    const kept = store.facts.get('version');
    return kept === null ? null : fromBinary(ReportVersionRequestSchema, kept);
  }
  return {
    last,
    report(version) {
      const before = last();
      if (before !== null && equals(ReportVersionRequestSchema, before, version)) return done(null);
      const bytes = toBinary(ReportVersionRequestSchema, version);
      if (!store.write(() => store.facts.put('version', bytes))) return { kind: 'unwritable' };
      onChange?.();
      return done(null);
    },
  };
}
