/** What a public key is, however it is written: two spellings of one key must not count as two people. */
import type { Key } from '@tufjs/models';
// The parser that signatures are verified with, so that nothing is one key here and another one there.
import { getPublicKey } from '@tufjs/models/dist/utils/key.js';

/** The same text for the same key: in PEM or in hex, with other line ends, in capitals, with words after its last line. */
export function keyMaterial({ keyType, scheme, keyVal }: Key): string {
  const written = String(keyVal.public);
  try {
    const { key } = getPublicKey({ keyType, scheme, keyVal: written });
    return JSON.stringify(key.export({ format: 'jwk' }));
  } catch {
    // It verifies nothing, or is of a kind that has no such form.
    return JSON.stringify([keyType, scheme, written.trim()]);
  }
}
