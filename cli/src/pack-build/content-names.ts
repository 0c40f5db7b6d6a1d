/** What the contents of a manifest are called: paths below an install root, and names of partitions. */
import type { Manifest } from '@iotdh/proto/update/v1';

/** By digest in hex; scripts have no name. */
export function contentNames(manifest: Manifest): Map<string, string[]> {
  const names = new Map<string, string[]>();
  const add = (digest: Uint8Array, name: string): void => {
    const key = Buffer.from(digest).toString('hex');
    const known = names.get(key);
    if (known === undefined) names.set(key, [name]);
    else known.push(name);
  };
  const { content } = manifest;
  if (content.case === 'base') for (const { digest, name } of content.value.partitions) add(digest, name);
  if (content.case === 'patch') {
    for (const { kind } of content.value.components) {
      if (kind.case !== 'hostApplication' && kind.case !== 'thirdPartyApplication') continue;
      for (const { digest, path } of kind.value.files?.files ?? []) add(digest, path);
    }
  }
  return names;
}
