/** Who still waits for packs that are no longer signed: their devices will refuse them. */
import { AssignmentState } from '@iotdh/proto/fleet/v1';
import type { Fleet } from '../connection/fleet.ts';
import { readPages } from '../connection/pages.ts';

/** A device that has not begun to apply a pack looks once more at what is signed. */
const states = [AssignmentState.WAITING, AssignmentState.IN_TRANSIT, AssignmentState.AWAITING_CONSENT];
const maxVersions = 10_000;
const maxCounted = 1_000;

/** A sentence for each of the packs, `NAME@VERSION`, that devices wait for. */
export async function unsignedWaiting(
  fleet: Pick<Fleet, 'packs' | 'assignments'>,
  removed: readonly string[],
  signal: AbortSignal,
): Promise<string[]> {
  const sentences = await Promise.all(
    removed.map(async (word) => {
      const [name = '', version = ''] = word.split('@');
      const { items } = await readPages(maxVersions, async (pageSize, pageToken) => {
        const page = await fleet.packs.listPacks({ name, pageSize, pageToken }, { signal });
        return { items: page.packs, nextPageToken: page.nextPageToken };
      });
      const packId = items.find(({ manifest }) => manifest?.version === version)?.packId;
      if (packId === undefined) return [];
      const page = await fleet.assignments.listAssignments(
        { packId, states, pageSize: maxCounted },
        { signal },
      );
      const [first] = page.assignments;
      if (first === undefined) return [];
      const count = `${page.assignments.length}${page.nextPageToken === '' ? '' : ' and more'}`;
      return [
        `Devices that wait for ${word}, and will refuse it: ${count}. Withdraw it with: iotdh assignment cancel ${first.assignmentId}. All of them: iotdh assignment list --pack ${word}`,
      ];
    }),
  );
  return sentences.flat();
}
