/** Keys of people, opened to sign with. */
import type { Signer } from '@iotdh/trust/author';
import type { Terminal } from '../terminal.ts';
import { keyFiles, needsPassphrase, openKey } from './key-folder.ts';
import { readPassphrase } from './passphrase.ts';

/** `paths`: key files, or folders of them. The passphrase of each that has one is read from the file, or typed. */
export async function openSigners(
  terminal: Terminal,
  paths: readonly string[],
  passphraseFile: string | undefined,
): Promise<Signer[]> {
  const signers: Signer[] = [];
  for (const file of paths.flatMap(keyFiles)) {
    const question = `Passphrase of ${file}: `;
    const passphrase = needsPassphrase(file)
      ? await readPassphrase(terminal, { file: passphraseFile, question })
      : null;
    signers.push(openKey(file, passphrase));
  }
  return signers;
}
