/** What says that a manifest is signed, asked before a byte of the manifest is; the transfer brings what that needs as it brings any object. */
import type { MetadataFile } from '@iotdh/proto/update/v1';
import type { Failure, Pause } from './outcome.ts';

export type Vouching = {
  /** The signed metadata that are not on this disk. */
  lacking(): readonly MetadataFile[];
  /** Told what has been brought of them. A failure says which rule refuses the manifest. */
  verify(brought: readonly BroughtMetadata[]): Promise<{ kind: 'here' } | Pause | Failure>;
};

export type BroughtMetadata = { file: MetadataFile; bytes: Uint8Array };

/** `bring` resolves to the bytes of one file, or why there are none. */
export async function vouch(
  vouching: Vouching,
  bring: (file: MetadataFile) => Promise<{ kind: 'here'; bytes: Uint8Array } | Pause | Failure>,
): Promise<{ kind: 'here' } | Pause | Failure> {
  const brought: BroughtMetadata[] = [];
  for (const file of vouching.lacking()) {
    const one = await bring(file);
    if (one.kind !== 'here') return one;
    brought.push({ file, bytes: one.bytes });
  }
  return vouching.verify(brought);
}
