/**
 * The keys with which the service signs which targets are the newest. Whoever has them can withhold what authors signed, and
 * make a device believe a wrong time; they cannot sign a manifest.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { generatePrivateKey, keySigner, readKeyFile, type Signer, writeKeyFile } from '@iotdh/trust/author';

/** Where the private halves are is behind this: files here, a vault in production. */
export type OnlineKeys = { snapshot: Signer; timestamp: Signer };

/** Key files of this user alone, made if they are absent. Throws when others can read them. */
export function openKeyFolder(folder: string): OnlineKeys {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const open = (role: string): Signer => {
    const path = join(folder, `${role}.pem`);
    try {
      writeKeyFile(path, generatePrivateKey(), null);
    } catch (error) {
      // It is there, perhaps because another replica was faster.
      if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
    }
    return keySigner(readKeyFile(path, null));
  };
  return { snapshot: open('snapshot'), timestamp: open('timestamp') };
}
