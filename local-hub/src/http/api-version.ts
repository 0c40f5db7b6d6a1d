/** Checks the `api-version` of a request: any of IoT Hub's or DPS's since 2018 is served as 2021-04-12 would be. */
import { HubError } from '../engine/error.ts';

const pattern = /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(-preview)?$/;
const oldestYear = 2018;

/** Throws HubError `ArgumentInvalid`. */
export function checkApiVersion(version: string | null): void {
  const year = Number(pattern.exec(version ?? '')?.[1]);
  if (year >= oldestYear) return;
  const problem =
    version === null
      ? 'The api-version is missing'
      : `The api-version "${version.slice(0, 40)}" is not supported`;
  throw new HubError('ArgumentInvalid', `${problem}. Use api-version=2021-04-12`);
}
