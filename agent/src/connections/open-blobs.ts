/** What a device that was enrolled needs to read objects from Blob Storage by itself. */
import { readFileSync } from 'node:fs';
import type { Credentials } from '../bus/credentials.ts';
import type { Settings } from '../settings/settings.ts';
import { createRangeReader, type RangeReader } from '../transfer/carriers/https-range.ts';
import { type AskBlobAccess, createBlobAccess } from './blob-access.ts';

/** Null: this device was not enrolled, so that the broker does not know it. Throws when a file of an authority cannot be read. */
export function openBlobs(
  { credentials, blobs }: Pick<Settings, 'credentials' | 'blobs'>,
  findCredentials: () => Promise<Credentials | null>,
): { access: AskBlobAccess; reader: RangeReader } | null {
  if (credentials.kind !== 'enrolment') return null;
  const { brokerUrl, caFile } = credentials;
  const pem = (path: string | null) => (path === null ? null : readFileSync(path, 'utf8'));
  const access = createBlobAccess({
    brokerUrl,
    caPem: pem(caFile),
    async identity() {
      const found = await findCredentials();
      return found?.kind === 'x509' ? { cert: found.cert, key: found.key } : null;
    },
  });
  return { access, reader: createRangeReader({ caPem: pem(blobs.caFile) }) };
}
