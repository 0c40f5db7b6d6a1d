/** How decisions are shown. */
import { type RecordedConsent, RecordedConsentSchema } from '@iotdh/proto/fleet/v1';
import { UpdateKind } from '@iotdh/proto/update/v1';
import type { View } from '../output/format.ts';
import { enumText, hexText, timeText } from '../output/words.ts';

function decisionText({ consent }: RecordedConsent): string {
  switch (consent?.decision.case) {
    case 'confirm':
      return 'confirmed';
    case 'postponedUntil':
      return `postponed until ${timeText(consent.decision.value)}`;
    case 'decline':
      return consent.decision.value.reason === '' ? 'declined' : `declined: ${consent.decision.value.reason}`;
    default:
      return '';
  }
}

export const consentView: View<typeof RecordedConsentSchema> = {
  schema: RecordedConsentSchema,
  name: ({ consent }) => consent?.consentId ?? '',
  columns: [
    { header: 'TIME', value: ({ consent }) => timeText(consent?.time) },
    { header: 'DEVICE', value: ({ deviceId }) => deviceId },
    { header: 'PERSON', value: ({ consent }) => consent?.person?.name ?? '' },
    { header: 'DECISION', value: decisionText },
    { header: 'KIND', value: ({ consent }) => enumText(UpdateKind, consent?.kind) },
    {
      header: 'MANIFEST',
      value: ({ consent }) => hexText(consent?.manifestDigest ?? new Uint8Array()).slice(0, 12),
    },
    { header: 'SIGNED', value: ({ consent }) => (consent?.evidence === undefined ? 'no' : 'yes') },
    { header: 'CONSENT', value: ({ consent }) => consent?.consentId ?? '' },
  ],
};
