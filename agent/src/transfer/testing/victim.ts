/** The process that gets killed: a transfer whose cloud is its parent. Ends with 0 when the transfer is complete. */
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import { FrameRequestSchema, FrameSchema } from '@iotdh/proto/bus/v1';
import { createTransfer } from '../transfer.ts';
import { realClock, transferId } from './bench.ts';
import { vouched } from './vouched.ts';

export type Orders = {
  folder: string;
  frameSize: number;
  /** The digest in hex. */
  manifest: { digest: string; size: number };
};

const { folder, frameSize, manifest } = JSON.parse(process.argv[2] ?? '') as Orders;
const transfer = createTransfer({
  vouching: vouched,
  transferId,
  manifest: { digest: Buffer.from(manifest.digest, 'hex'), size: manifest.size },
  frameSize,
  folder,
  source: {
    async ask(request) {
      process.send?.(toBinary(FrameRequestSchema, request));
      return { kind: 'sent' };
    },
  },
  clock: realClock,
  random: Math.random,
  patienceMs: 2_000,
});
process.on('message', (bytes: Uint8Array) => void transfer.onFrame(fromBinary(FrameSchema, bytes)));
process.on('disconnect', () => process.exit(1));
const { kind } = await transfer.run(new AbortController().signal);
process.exit(kind === 'complete' ? 0 : 1);
