/** Finds the pack that a person means: by id, by name and version, or the newest of a name. */
import { type Pack, PackState } from '@iotdh/proto/fleet/v1';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import type { Fleet } from './fleet.ts';
import { readPages } from './pages.ts';

export const uuidPattern = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;

/** A name with more versions than this is not searched further. */
const maxVersions = 10_000;

/** `assignable`: only what can be assigned counts, so that a name alone never means a draft. Throws a `Failure`. */
export async function findPack(
  fleet: Pick<Fleet, 'packs'>,
  word: string,
  options: { assignable: boolean; signal: AbortSignal },
): Promise<Pack> {
  const { signal, assignable } = options;
  if (uuidPattern.test(word)) {
    const { pack } = await fleet.packs.getPack({ packId: word }, { signal });
    if (pack !== undefined) return pack;
  }
  const [name = '', version] = word.split('@');
  if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(name)) {
    throw new Failure(exitCode.usage, `${word} is no pack: write NAME, NAME@VERSION or its id`);
  }
  const states = assignable && version === undefined ? [PackState.PUBLISHED] : [];
  const { items } = await readPages(maxVersions, async (pageSize, pageToken) => {
    const page = await fleet.packs.listPacks({ name, states, pageSize, pageToken }, { signal });
    return { items: page.packs, nextPageToken: page.nextPageToken };
  });
  const found = items.find(({ manifest }) => version === undefined || manifest?.version === version);
  if (found !== undefined) return found;
  const versions = items.slice(0, 5).map(({ manifest }) => manifest?.version);
  throw new Failure(
    exitCode.notFound,
    `there is no ${assignable && version === undefined ? 'published ' : ''}pack ${word}`,
    {
      next:
        versions.length > 0
          ? `Versions of ${name}: ${versions.join(', ')}`
          : 'See what there is with: iotdh pack list',
    },
  );
}
