/** How packs are shown. */
import { PackSchema, PackState } from '@iotdh/proto/fleet/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import type { View } from '../output/format.ts';
import { enumText, hexText, timeText } from '../output/words.ts';
import { sizeText } from '../quantities.ts';

export const packView: View<typeof PackSchema> = {
  schema: PackSchema,
  name: ({ packId }) => packId,
  columns: [
    { header: 'PACK', value: ({ manifest }) => `${manifest?.name}@${manifest?.version}` },
    { header: 'KIND', value: ({ manifest }) => enumText(UpdateKind, manifest?.kind).toUpperCase() },
    { header: 'STATE', value: ({ state }) => enumText(PackState, state) },
    { header: 'SIZE', value: ({ objectBytes }) => sizeText(objectBytes) },
    { header: 'PUBLISHED', value: ({ publishTime }) => timeText(publishTime) },
    { header: 'TITLE', value: ({ title }) => title },
    { header: 'ID', value: ({ packId }) => packId },
  ],
  details: [
    { header: 'Pack', value: ({ manifest }) => `${manifest?.name}@${manifest?.version}` },
    { header: 'Id', value: ({ packId }) => packId },
    { header: 'Title', value: ({ title }) => title },
    { header: 'Summary', value: ({ summary }) => summary },
    { header: 'Kind', value: ({ manifest }) => enumText(UpdateKind, manifest?.kind).toUpperCase() },
    { header: 'State', value: ({ state }) => enumText(PackState, state) },
    { header: 'Size', value: ({ objectBytes }) => sizeText(objectBytes) },
    { header: 'Manifest', value: ({ manifest }) => (manifest === undefined ? '' : hexText(manifest.digest)) },
    { header: 'Bill', value: ({ sbom }) => (sbom === undefined ? '' : hexText(sbom.digest)) },
    { header: 'Handed in', value: ({ createTime }) => timeText(createTime) },
    { header: 'Published', value: ({ publishTime }) => timeText(publishTime) },
    { header: 'Yanked because', value: ({ yankReason }) => yankReason },
  ],
};
