/** Picks the messages that are the updater's out of everything that devices send, without decoding the others. */
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { type DeviceToCloud, DeviceToCloudSchema } from '@iotdh/proto/bus/v1';
import { createPayloadReader, maxDeviceToCloudBytes } from '@iotdh/proto/payload';

type Mine = Extract<DeviceToCloud['payload'], { case: 'frameRequest' | 'offerRequest' }>;

/** A request, or `other`: not the updater's, or not readable, which is the listener's to set aside. */
export type ReadRequest =
  | { kind: 'request'; payload: Mine; traceParent: string; messageId: string }
  | { kind: 'other' };

const mine: ReadonlySet<number> = new Set(
  ['frame_request', 'offer_request'].map((name) => {
    const field = DeviceToCloudSchema.fields.find((each) => each.name === name);
    if (field === undefined) throw new Error(`DeviceToCloud has no field ${name}`);
    return field.number;
  }),
);

/** Far above a request with the longest bitmap or the most ranges. */
const maxRequestBytes = 32 * 1024;

export function createRequestReader(): (body: Uint8Array) => ReadRequest {
  const read = createPayloadReader(DeviceToCloudSchema, {
    maxBytes: Math.min(maxRequestBytes, maxDeviceToCloudBytes),
  });
  return (body) => {
    if (!isMine(body)) return { kind: 'other' };
    const result = read(body);
    if (result.kind !== 'valid') return { kind: 'other' };
    const { payload, traceParent, messageId } = result.message;
    if (payload.case !== 'frameRequest' && payload.case !== 'offerRequest') return { kind: 'other' };
    return { kind: 'request', payload, traceParent, messageId };
  };
}

/** Looks at the numbers of the fields alone. */
function isMine(body: Uint8Array): boolean {
  if (body.length > maxRequestBytes) return false;
  try {
    const reader = new BinaryReader(body);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (mine.has(field)) return true;
      reader.skip(wireType, field);
    }
  } catch {
    // Malformed.
  }
  return false;
}
