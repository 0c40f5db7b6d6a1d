/** What became of the devices that registered: kept so that they can ask for it, and so can the operator. */
import type { Collection } from '../engine/collection.ts';
import type { RegistrationRecord, RegistrationState } from './enrollment.ts';
import type { Page, PageRequest } from './enrollments.ts';
import { ProvisioningError } from './error.ts';

/** Ids are not told apart by case; all refusals are ProvisioningError. */
export type Registrations = {
  find(registrationId: string): RegistrationRecord | undefined;
  /** Resolves when durable. */
  save(record: RegistrationRecord): Promise<void>;
  /** Throws `RegistrationNotFound`. */
  get(registrationId: string): RegistrationState;
  /** The device stays in the hub. Throws `RegistrationNotFound`, `PreconditionFailed`. */
  remove(registrationId: string, ifMatch?: string): Promise<void>;
  /** Those that came by an enrollment group, by id, at most 100 a page. */
  listOf(enrollmentGroupId: string, request?: PageRequest): Page<RegistrationState>;
};

const maxPageSize = 100;

export function createRegistrations(stored: Collection<RegistrationRecord>): Registrations {
  function require(registrationId: string): RegistrationRecord {
    const record = stored.get(registrationId.toLowerCase());
    if (record !== undefined) return record;
    throw new ProvisioningError('RegistrationNotFound', `There is no registration ${registrationId}.`);
  }

  return {
    find: (registrationId) => stored.get(registrationId.toLowerCase()),
    save: (record) => stored.put(record.state.registrationId.toLowerCase(), record),
    get: (registrationId) => require(registrationId).state,
    async remove(registrationId, ifMatch = '*') {
      const { etag } = require(registrationId).state;
      if (ifMatch !== '*' && ifMatch.replaceAll('"', '') !== etag)
        throw new ProvisioningError('PreconditionFailed', `The registration has the etag "${etag}".`);
      await stored.remove(registrationId.toLowerCase());
    },
    listOf(enrollmentGroupId, { maxItemCount = maxPageSize, continuation = '' } = {}) {
      const group = enrollmentGroupId.toLowerCase();
      const size = Math.min(Math.max(1, maxItemCount), maxPageSize);
      const members = [...stored.entries()]
        .filter(([id, record]) => id > continuation && record.enrollmentGroupId?.toLowerCase() === group)
        .sort(([a], [b]) => (a < b ? -1 : 1));
      return {
        items: members.slice(0, size).map(([, { state }]) => state),
        continuation: members.length > size ? members[size - 1]?.[0] : undefined,
      };
    },
  };
}
