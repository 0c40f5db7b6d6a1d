/** The certificate and key that a server's settings name. */
import { readFileSync } from 'node:fs';
import type { TlsOptions } from './listener.ts';

/** Undefined: the settings name none. Throws when they name only one of the two, or a file cannot be read. */
export function readTlsFiles(settings: {
  certFile: string | undefined;
  keyFile: string | undefined;
}): TlsOptions | undefined {
  const { certFile, keyFile } = settings;
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw new Error('TLS_CERT_FILE and TLS_KEY_FILE belong together: set both or neither');
  }
  return { certPem: readFileSync(certFile, 'utf8'), keyPem: readFileSync(keyFile, 'utf8') };
}
