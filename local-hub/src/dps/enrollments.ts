/**
 * A collection of enrollments: individual ones or groups, which differ only in the name of their id. Every change is durable
 * before its promise resolves; every refusal is a ProvisioningError. Ids are not told apart by case.
 */
import type { Clock } from '../engine/clock.ts';
import type { Collection } from '../engine/collection.ts';
import { randomEtag } from '../engine/etag.ts';
import { type ShownAttestation, showAttestation } from './attestation-view.ts';
import type { Attestation, EnrollmentTerms } from './enrollment.ts';
import { invalid, isObject, readTerms } from './enrollment-input.ts';
import { ProvisioningError } from './error.ts';

/** An enrollment as the REST API shows it. */
export type Shown<E extends EnrollmentTerms> = Omit<E, 'attestation'> & { attestation: ShownAttestation };

/** A page of a list. `continuation` is given to get the next page; undefined after the last. */
export type Page<T> = { items: T[]; continuation: string | undefined };
export type PageRequest = { maxItemCount?: number | undefined; continuation?: string | undefined };

/** One refused operation of a bulk request. */
export type BulkFailure = { id: string; errorCode: number; errorStatus: string };

export type Enrollments<E extends EnrollmentTerms> = {
  /** As it is stored, keys and certificates included. */
  find(id: string): E | undefined;
  /** All, as they are stored. */
  values(): Iterable<E>;
  /** Throws `EnrollmentNotFound`. */
  get(id: string): Shown<E>;
  /** With keys and certificates. Throws `EnrollmentNotFound`. */
  attestation(id: string): Attestation;
  /**
   * Creates without `ifMatch`, changes with it (an etag or `*`). Resolves to the enrollment with its keys, which may have been
   * generated. Throws `EnrollmentConflict` when it exists, `EnrollmentNotFound`, `PreconditionFailed`, `ArgumentInvalid`.
   */
  put(id: string, body: unknown, ifMatch?: string): Promise<E>;
  /** Throws `EnrollmentNotFound`, `PreconditionFailed`. */
  remove(id: string, ifMatch?: string): Promise<void>;
  /** By id, at most 100 a page. Throws `ArgumentInvalid`. */
  list(request?: PageRequest): Page<Shown<E>>;
  /** Up to 10 at a time, `mode` being create, update, updateIfMatchETag or delete; each succeeds or fails by itself. */
  bulk(mode: unknown, items: unknown): Promise<BulkFailure[]>;
};

export type EnrollmentsOptions<E extends EnrollmentTerms> = {
  stored: Collection<E>;
  clock: Pick<Clock, 'now'>;
  /** The field that holds the id. */
  idField: 'registrationId' | 'enrollmentGroupId';
  /** Makes the record; throws `ArgumentInvalid` for terms that do not suit it. */
  complete(id: string, body: Record<string, unknown>, terms: EnrollmentTerms): E;
};

const idPattern = /^[A-Za-z0-9]([A-Za-z0-9\-._:]{0,126}[A-Za-z0-9])?$/;
const maxPageSize = 100;
const maxBulkSize = 10;

const plainEtag = (ifMatch: string): string => ifMatch.replace(/^W\//, '').replaceAll('"', '');

/** Creates the collection over what is stored. */
export function createEnrollments<E extends EnrollmentTerms>(options: EnrollmentsOptions<E>): Enrollments<E> {
  const { stored, clock, idField, complete } = options;
  const keyOf = (id: string): string => id.toLowerCase();

  function require(id: string): E {
    const enrollment = stored.get(keyOf(id));
    if (enrollment === undefined)
      throw new ProvisioningError('EnrollmentNotFound', `There is no enrollment ${id}.`);
    return enrollment;
  }

  function checkEtag(enrollment: E, id: string, ifMatch: string | undefined): void {
    if (ifMatch === undefined || ifMatch === '*' || plainEtag(ifMatch) === enrollment.etag) return;
    throw new ProvisioningError(
      'PreconditionFailed',
      `The enrollment ${id} has the etag "${enrollment.etag}". Read it again, and repeat the change.`,
    );
  }

  const show = (enrollment: E): Shown<E> => ({
    ...enrollment,
    attestation: showAttestation(enrollment.attestation),
  });

  /** The enrollment that `put` changes; undefined when it creates one. */
  function changed(id: string, ifMatch: string | undefined): E | undefined {
    if (ifMatch !== undefined) {
      const current = require(id);
      checkEtag(current, id, ifMatch);
      return current;
    }
    if (stored.has(keyOf(id)))
      throw new ProvisioningError(
        'EnrollmentConflict',
        `The enrollment ${id} exists already. Send its etag, or *, as If-Match to change it.`,
      );
    return undefined;
  }

  async function put(id: string, body: unknown, ifMatch?: string): Promise<E> {
    if (!idPattern.test(id))
      throw invalid(
        'An id has 1 to 128 letters, digits or - . _ : and begins and ends with a letter or digit',
      );
    if (!isObject(body)) throw invalid('The enrollment must be a JSON object');
    const named = body[idField];
    if (named !== undefined && (typeof named !== 'string' || keyOf(named) !== keyOf(id)))
      throw invalid(`${idField} must be the id ${id} of the address`);
    const current = changed(id, ifMatch);
    const now = new Date(clock.now()).toISOString();
    const enrollment = complete(id, body, {
      ...readTerms(body, current),
      etag: randomEtag(),
      createdDateTimeUtc: current?.createdDateTimeUtc ?? now,
      lastUpdatedDateTimeUtc: now,
    });
    await stored.put(keyOf(id), enrollment);
    return enrollment;
  }

  async function remove(id: string, ifMatch?: string): Promise<void> {
    checkEtag(require(id), id, ifMatch);
    await stored.remove(keyOf(id));
  }

  async function one(mode: unknown, id: string, item: Record<string, unknown>): Promise<void> {
    const etag = typeof item.etag === 'string' ? item.etag : undefined;
    if (mode === 'create') await put(id, item);
    else if (mode === 'update') await put(id, item, '*');
    else if (mode === 'updateIfMatchETag') await put(id, item, etag ?? '');
    else if (mode === 'delete') await remove(id, etag);
    else throw invalid('mode must be create, update, updateIfMatchETag or delete');
  }

  return {
    find: (id) => stored.get(keyOf(id)),
    values: () => stored.values(),
    get: (id) => show(require(id)),
    attestation: (id) => require(id).attestation,
    put,
    remove,
    list({ maxItemCount = maxPageSize, continuation = '' } = {}) {
      const size = Math.min(Math.max(1, maxItemCount), maxPageSize);
      const ids = [...stored.ids()].filter((id) => id > continuation).sort((a, b) => (a < b ? -1 : 1));
      const page = ids.slice(0, size);
      return {
        items: page.map((id) => show(require(id))),
        continuation: ids.length > size ? page.at(-1) : undefined,
      };
    },
    async bulk(mode, items) {
      if (!Array.isArray(items) || items.length === 0 || items.length > maxBulkSize)
        throw invalid(`A bulk operation has 1 to ${maxBulkSize} enrollments`);
      const failures: BulkFailure[] = [];
      for (const item of items as unknown[]) {
        const id = isObject(item) ? String(item[idField]) : '';
        try {
          await one(mode, id, isObject(item) ? item : {});
        } catch (error) {
          if (!(error instanceof ProvisioningError)) throw error;
          failures.push({ id, errorCode: error.errorCode, errorStatus: error.message });
        }
      }
      return failures;
    },
  };
}
