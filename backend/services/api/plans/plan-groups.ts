/** The devices of a plan by what is known of them, as the contract has it. */
import { create } from '@bufbuild/protobuf';
import { type PlanGroup, PlanGroupSchema } from '@iotdh/proto/fleet/v1';
import { carriedBytes, namedContents } from '@iotdh/proto/objects';
import type { Manifest, Object$ as ManifestObject } from '@iotdh/proto/update/v1';
import { frameSize } from '../../../shared/messages/frame.ts';
import { createTransferCost } from './transfer-cost.ts';
import { type Before, type Chosen, sizesOf } from './update-cost.ts';

const maxGroups = 100;

/** The largest first, as they come; the last one stands for all beyond the hundredth, with the numbers of its own devices. */
export function planGroups(chosen: readonly Chosen[], manifest: Manifest, before: Before): PlanGroup[] {
  const costOf = createTransferCost(frameSize);
  const sizes = new Map(
    manifest.objects.flatMap(({ contents }) =>
      contents.map(({ digest, size }): [string, number] => [
        Buffer.from(digest).toString('hex'),
        Number(size),
      ]),
    ),
  );
  const named = namedContents(manifest);
  const bytesOf = (some: readonly ManifestObject[]): bigint =>
    BigInt(some.reduce((sum, object) => sum + carriedBytes(object), 0));
  const beyond = chosen.slice(maxGroups).reduce((sum, { group }) => sum + group.devices.length, 0);
  return chosen.slice(0, maxGroups).map((choice, index) => {
    const { group, objects } = choice;
    const deltas = objects.filter(({ encoding }) => encoding.case === 'delta');
    const wholes = objects.filter(({ encoding }) => encoding.case !== 'delta');
    const here = named.filter((content) => group.contents.has(content));
    const { frames } = costOf(sizesOf(choice, before), '');
    return create(PlanGroupSchema, {
      baseManifestDigest: new Uint8Array(Buffer.from(group.base, 'hex')),
      devices: BigInt(group.devices.length + (index === maxGroups - 1 ? beyond : 0)),
      wholeObjects: BigInt(wholes.length),
      wholeBytes: bytesOf(wholes),
      deltaObjects: BigInt(deltas.length),
      deltaBytes: bytesOf(deltas),
      contentBytesHere: BigInt(here.reduce((sum, content) => sum + (sizes.get(content) ?? 0), 0)),
      frames: BigInt(frames),
    });
  });
}
