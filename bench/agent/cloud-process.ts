/** The cloud in a process of its own: the local hub, and an updater that answers each request for frames and forgets it. */
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  Carrier,
  type CloudToDevice,
  CloudToDeviceSchema,
  DeviceToCloudSchema,
  type FrameRequest,
  FrameSchema,
  UpgradeOfferSchema,
} from '@iotdh/proto/bus/v1';
import { type MetadataFile, UpdateKind } from '@iotdh/proto/update/v1';
import { createLocalHub, createLog, type LocalHub } from '../../local-hub/src/index.ts';
import { answerRequests, reportProgress } from '../processes.ts';
import { makePack, type Pack, readObject } from './pack.ts';
import { signPack } from './sign-pack.ts';

export type CloudRequest =
  | { kind: 'start'; dataDir: string; packFolder: string; packBytes: number }
  | { kind: 'offer' };
export type CloudAddress = { connectionString: string; caPath: string; trustRootFile: string };

const deviceId = 'bench-agent';
/** 60 KiB, the most that the contract allows. */
const frameSize = 61_440;
const transferId = randomUUID();

let hub: LocalHub;
let packFolder = '';
let pack: Pack;
let metadata: MetadataFile[] = [];

answerRequests(async (request: CloudRequest) => {
  if (request.kind === 'offer') return send(offer(), 1n);
  packFolder = request.packFolder;
  pack = makePack(packFolder, request.packBytes);
  const log = createLog({ write: (line) => console.error(line) });
  hub = await createLocalHub({ dataDir: request.dataDir, port: 0, sku: 'off', log });
  const connectionString = await hub.deviceConnectionString(deviceId);
  answerFrameRequests();
  metadata = await signPack(packFolder, pack);
  const trustRootFile = join(packFolder, 'root.json');
  return { connectionString, caPath: hub.caPath, trustRootFile } satisfies CloudAddress;
});

function answerFrameRequests(): void {
  const { telemetry } = hub.engine;
  const cursor = telemetry.open(telemetry.partitionOf(deviceId), 'earliest');
  cursor.onAvailable(() => {
    for (const { message } of cursor.read(1000)) {
      const { payload } = fromBinary(DeviceToCloudSchema, message.body);
      if (payload.case === 'frameRequest') void answer(payload.value);
    }
  });
}

async function answer({ missing, window, objectDigest, receivedBytes }: FrameRequest): Promise<void> {
  if (missing.case !== 'ranges') throw new Error('the agent asks by ranges');
  reportProgress(Number(receivedBytes));
  const digestHex = Buffer.from(objectDigest).toString('hex');
  const frames = missing.value.ranges.flatMap(({ first, count }) =>
    Array.from({ length: Math.min(count, window) }, (_, index) => Number(first) + index),
  );
  for (const frame of frames.slice(0, window)) {
    const offset = frame * frameSize;
    const data = readObject(packFolder, digestHex, offset, frameSize);
    const value = create(FrameSchema, { transferId, objectDigest, offset: BigInt(offset), data });
    // A queue that is full loses the frame; the device asks again.
    await send({ case: 'frame', value }, 0n).catch(() => undefined);
  }
}

function offer(): CloudToDevice['payload'] {
  const { manifest, name, version } = pack;
  const value = create(UpgradeOfferSchema, {
    assignmentId: randomUUID(),
    transferId,
    manifest: { ...manifest, kind: UpdateKind.PATCH, name, version },
    title: 'Random bytes',
    frameSize,
    metadata,
    carriers: [Carrier.BUS],
  });
  return { case: 'upgradeOffer', value };
}

async function send(payload: CloudToDevice['payload'], sequence: bigint): Promise<void> {
  const messageId = randomUUID();
  const message = create(CloudToDeviceSchema, {
    version: 1,
    sequence,
    messageId,
    time: timestampFromMs(Date.now()),
    payload,
  });
  await hub.engine.cloudToDevice.send(deviceId, {
    body: Buffer.from(toBinary(CloudToDeviceSchema, message)),
    system: { messageId, contentType: 'application/x-protobuf' },
    properties: {},
  });
}
