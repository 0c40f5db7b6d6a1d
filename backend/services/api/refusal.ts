/** Why the API does not carry out a request: the closed list behind the errors of the contract. */

export type ResourceName = 'device' | 'pack' | 'assignment' | 'log_collection' | 'metadata';

export type Refusal =
  | { kind: 'not_found'; resource: ResourceName; id: string }
  | { kind: 'conflict'; resource: ResourceName; id: string }
  | { kind: 'revision_mismatch'; deviceId: string; given: bigint; current: bigint }
  /** Each problem names the field that it is with. */
  | { kind: 'manifest_rejected'; problems: readonly string[] }
  /** SHA-256 in hex. */
  | { kind: 'objects_missing'; packId: string; digests: readonly string[] }
  /** The newest targets do not name its manifest as it is. `for`: what it was to be done with. */
  | { kind: 'pack_not_signed'; packId: string; path: string; for: 'publish' | 'assign' }
  | { kind: 'metadata_rejected'; rule: string; detail: string }
  | { kind: 'pack_not_assignable'; packId: string; why: string }
  | { kind: 'device_retired'; deviceId: string }
  /** `first`: the newest published pack that brings it. */
  | {
      kind: 'pass_through_missing';
      deviceId: string;
      missing: { product: string; version: string };
      first: { packId: string; name: string; version: string } | null;
    }
  | { kind: 'update_under_way'; assignmentId: string }
  | { kind: 'page_token_invalid' }
  | { kind: 'cursor_expired' }
  | { kind: 'request_id_reused'; requestId: string }
  /** A rule that spans fields which the schema cannot relate. */
  | { kind: 'field_invalid'; field: string; ruleId: string; message: string }
  | { kind: 'unauthenticated' };

/** What a handler throws to refuse; `errors.ts` turns it into what the caller gets. */
export class RefusedError extends Error {
  override readonly name = 'RefusedError';
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.kind);
    this.refusal = refusal;
  }
}

export function refuse(refusal: Refusal): never {
  throw new RefusedError(refusal);
}
