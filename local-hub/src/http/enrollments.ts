/** The service side of the Device Provisioning Service (REST reference 2021-10-01): enrollments, groups, registrations. */
import type { EnrollmentTerms } from '../dps/enrollment.ts';
import type { Enrollments, Page } from '../dps/enrollments.ts';
import { HubError } from '../engine/error.ts';
import {
  type Call,
  type Handler,
  header,
  integer,
  jsonObject,
  nothing,
  ok,
  param,
  type Reply,
  type Services,
} from './exchange.ts';

/** The handlers of a collection; `list` is its name in the body of a bulk request. */
export type EnrollmentHandlers = Record<'get' | 'attestation' | 'put' | 'remove' | 'query' | 'bulk', Handler>;

function pageRequest(call: Call) {
  return {
    maxItemCount: integer('x-ms-max-item-count', header(call, 'x-ms-max-item-count'), { min: 1, max: 1_000 }),
    continuation: header(call, 'x-ms-continuation'),
  };
}

function pageReply(page: Page<object>, type: string): Reply {
  return ok(page.items, {
    'x-ms-item-type': type,
    ...(page.continuation !== undefined && { 'x-ms-continuation': page.continuation }),
  });
}

/** The service's query language is hardly ever used for more than this. */
function checkQuery(call: Call, from: string): void {
  const { query } = jsonObject(call);
  if (
    typeof query === 'string' &&
    new RegExp(`^select\\s+\\*\\s+from\\s+${from}\\s*;?$`, 'i').test(query.trim())
  )
    return;
  throw new HubError('NotImplemented', `The local hub answers only "SELECT * FROM ${from}"`);
}

/** Makes the handlers of individual enrollments, or of groups. */
export function enrollmentHandlers<E extends EnrollmentTerms>(
  name: 'enrollments' | 'enrollmentGroups',
  of: (services: Services) => Enrollments<E>,
): EnrollmentHandlers {
  const shown = (enrollment: { etag: string }) => ok(enrollment, { ETag: `"${enrollment.etag}"` });
  return {
    get: (call, services) => shown(of(services).get(param(call, 'enrollmentId'))),
    attestation: (call, services) => ok(of(services).attestation(param(call, 'enrollmentId'))),
    put: async (call, services) => {
      const id = param(call, 'enrollmentId');
      return shown(await of(services).put(id, jsonObject(call), header(call, 'if-match')));
    },
    remove: async (call, services) => {
      await of(services).remove(param(call, 'enrollmentId'), header(call, 'if-match'));
      return nothing;
    },
    query: (call, services) => {
      checkQuery(call, name);
      return pageReply(of(services).list(pageRequest(call)), name.replace(/s$/, ''));
    },
    bulk: async (call, services) => {
      const { mode, [name]: items } = jsonObject(call);
      const errors = await of(services).bulk(mode, items);
      return ok({ isSuccessful: errors.length === 0, errors });
    },
  };
}

export const getRegistration: Handler = (call, { provisioning }) => {
  const state = provisioning.registrations.get(param(call, 'registrationId'));
  return ok(state, { ETag: `"${state.etag}"` });
};

export const removeRegistration: Handler = async (call, { provisioning }) => {
  await provisioning.registrations.remove(param(call, 'registrationId'), header(call, 'if-match'));
  return nothing;
};

export const queryRegistrations: Handler = (call, { provisioning }) =>
  pageReply(
    provisioning.registrations.listOf(param(call, 'registrationId'), pageRequest(call)),
    'deviceRegistration',
  );
