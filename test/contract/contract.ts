/** Every file, message and field of the contract, as the generated code describes them. */
import type { DescFile, DescMessage } from '@bufbuild/protobuf';
import * as agent from '@iotdh/proto/agent/v1';
import * as broker from '@iotdh/proto/broker/v1';
import * as bus from '@iotdh/proto/bus/v1';
import * as dicom from '@iotdh/proto/dicom/v1';
import * as fleet from '@iotdh/proto/fleet/v1';
import * as host from '@iotdh/proto/host/v1';
import * as update from '@iotdh/proto/update/v1';

const packages = [agent, broker, bus, dicom, fleet, host, update];

/** Whatever the packages export that is a file's descriptor. */
export const files: readonly DescFile[] = packages
  .flatMap((exported) => Object.values(exported as Record<string, unknown>))
  .filter((one): one is DescFile => (one as { kind?: unknown } | undefined)?.kind === 'file');

/** Every message, nested ones too. */
export const messages: readonly DescMessage[] = files.flatMap((file) => file.messages.flatMap(withNested));

function withNested(message: DescMessage): DescMessage[] {
  return [message, ...message.nestedMessages.flatMap(withNested)];
}
