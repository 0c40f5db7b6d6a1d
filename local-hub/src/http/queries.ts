/** `POST /devices/query`: one page of a query over device twins (REST reference "Query"). */
import { HubError } from '../engine/error.ts';
import { type Handler, header, integer, jsonObject, ok } from './exchange.ts';

export const queryDevices: Handler = (call, { engine }) => {
  const { query } = jsonObject(call);
  if (typeof query !== 'string') throw new HubError('ArgumentInvalid', 'The body must have a query');
  const page = engine.queries.run({
    query,
    maxItems: integer('x-ms-max-item-count', header(call, 'x-ms-max-item-count'), { min: 1, max: 1_000 }),
    continuation: header(call, 'x-ms-continuation'),
  });
  return ok(page.items, {
    'x-ms-item-type': page.type,
    ...(page.continuation !== undefined && { 'x-ms-continuation': page.continuation }),
  });
};
