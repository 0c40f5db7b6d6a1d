/** How devices are shown. */

import { State } from '@iotdh/proto/agent/v1';
import { Connectivity, DeviceSchema } from '@iotdh/proto/fleet/v1';
import type { View } from '../output/format.ts';
import { agoText, enumText, timeText } from '../output/words.ts';
import type { Terminal } from '../terminal.ts';

function connectivityText(connectivity: Connectivity, terminal: Terminal): string {
  const text = enumText(Connectivity, connectivity);
  return connectivity === Connectivity.CONNECTED ? terminal.style('green', text) : text;
}

export const stateText = (state: State | undefined): string => enumText(State, state).toUpperCase();

export const deviceView: View<typeof DeviceSchema> = {
  schema: DeviceSchema,
  name: ({ deviceId }) => deviceId,
  columns: [
    { header: 'DEVICE', value: ({ deviceId }) => deviceId },
    { header: 'NAME', value: ({ displayName }) => displayName },
    { header: 'SITE', value: ({ site }) => site },
    { header: 'LINK', value: ({ connectivity }, terminal) => connectivityText(connectivity, terminal) },
    { header: 'STATE', value: ({ report }) => stateText(report?.snapshot?.state) },
    { header: 'LAST SEEN', value: ({ lastSeenTime }, terminal) => agoText(lastSeenTime, terminal.now()) },
    {
      header: 'INSTALLED',
      value: ({ report }) =>
        report?.inventory
          .slice(0, 3)
          .map(({ product }) => `${product?.product} ${product?.version}`)
          .join(', ') ?? '',
    },
  ],
  details: [
    { header: 'Device', value: ({ deviceId }) => deviceId },
    { header: 'Name', value: ({ displayName }) => displayName },
    { header: 'Site', value: ({ site }) => site },
    {
      header: 'Labels',
      value: ({ labels }) =>
        Object.entries(labels)
          .map(([key, value]) => `${key}=${value}`)
          .join(' '),
    },
    { header: 'Link', value: ({ connectivity }, terminal) => connectivityText(connectivity, terminal) },
    {
      header: 'Last seen',
      value: ({ lastSeenTime }, terminal) =>
        (lastSeenTime && `${timeText(lastSeenTime)} (${agoText(lastSeenTime, terminal.now())})`) || '',
    },
    {
      header: 'State',
      value: ({ report }) =>
        report?.snapshot === undefined
          ? 'nothing was reported yet'
          : `${stateText(report.snapshot.state)} since ${timeText(report.snapshot.stateTime)} by its clock`,
    },
    { header: 'Agent', value: ({ report }) => report?.agentVersion ?? '' },
    {
      header: 'Installed',
      value: ({ report }) =>
        report?.inventory.map(({ product }) => `${product?.product} ${product?.version}`).join('\n') ?? '',
    },
    { header: 'Registered', value: ({ createTime }) => timeText(createTime) },
    { header: 'Retired', value: ({ retireTime }) => timeText(retireTime) },
    { header: 'Revision', value: ({ revision }) => String(revision) },
  ],
};
