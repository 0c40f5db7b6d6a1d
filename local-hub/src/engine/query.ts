/**
 * Queries over device twins: the subset of the IoT Hub query language that `POST /devices/query` is used with.
 */
import type { JsonObject } from './twin.ts';

export type QueryPage = {
  /** `twin` for `SELECT *`, `raw` for everything else (header `x-ms-item-type`). */
  type: 'twin' | 'raw';
  items: JsonObject[];
  /** For the next page (header `x-ms-continuation`); undefined at the end. */
  continuation: string | undefined;
};

export type Queries = {
  /** Throws HubError `ArgumentInvalid` (with the position) or `NotImplemented`. `maxItems` is 1 to 100, default 100. */
  run(options: {
    query: string;
    maxItems?: number | undefined;
    continuation?: string | undefined;
  }): QueryPage;
};
