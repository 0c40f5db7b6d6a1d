/**
 * The host's slots. Each order has an id of its own, made anew: an agent that was killed looks first where the slots stand, and
 * an image that is there already is not written again.
 */
import { randomUUID } from 'node:crypto';
import { relative, sep } from 'node:path';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { Code, ConnectError } from '@connectrpc/connect';
import type { ChangeSlotsRequestSchema } from '@iotdh/proto/host/v1';
import type { Refused } from '../slots/boot-environment.ts';
import type { Slots } from '../slots/slots.ts';
import { SlotsError } from '../slots/slots-error.ts';
import { type HostClient, never, wordsOf } from './host-client.ts';
import { inspectionOf } from './slot-state.ts';

/** A boot loader's tools may take minutes, and an image of many GB hours. */
const orderMs = 15 * 60_000;
const writeMs = 24 * 60 * 60_000;

type Step = MessageInitShape<typeof ChangeSlotsRequestSchema>['step'];

export function createRemoteSlots({ client, persistently }: HostClient, dataDir: string): Slots {
  async function ask<T>(call: () => Promise<T>, signal = never): Promise<T> {
    try {
      return await persistently(signal, call);
    } catch (error) {
      throw new SlotsError('order_failed', wordsOf(error), { cause: error });
    }
  }

  async function change(step: NonNullable<Step>): Promise<Refused | null> {
    const request = { operationId: randomUUID(), step };
    const { refused } = await ask(() => client.changeSlots(request, { timeoutMs: orderMs }));
    return refused === '' ? null : { kind: 'refused', reason: refused };
  }

  return {
    inspect: async () => inspectionOf(await ask(() => client.getSlots({}, { timeoutMs: orderMs }))),
    async partitionBytes(name) {
      try {
        const call = () => client.getSlotPartition({ name }, { timeoutMs: orderMs });
        const { size } = await persistently(never, call);
        return size === undefined ? null : Number(size);
      } catch (error) {
        if (ConnectError.from(error).code === Code.PermissionDenied) return null;
        throw new SlotsError('order_failed', wordsOf(error), { cause: error });
      }
    },
    // Partitions are the host's alone: none of the service's operations reads them.
    images: async () => [],
    begin: (content) => change({ case: 'begin', value: { content } }),
    async write(content, partition, { path, digest, minPartitionBytes }, signal) {
      const request = {
        ...{ operationId: randomUUID(), content, partition, digest: Buffer.from(digest, 'hex') },
        image: relative(dataDir, path).split(sep).join('/'),
        minPartitionBytes: BigInt(minPartitionBytes),
      };
      try {
        const call = () => client.writeSlotImage(request, { signal, timeoutMs: writeMs });
        const { size, unfit } = await ask(call, signal);
        return unfit === '' ? { kind: 'written', bytes: Number(size) } : { kind: 'unfit', reason: unfit };
      } catch (error) {
        if (signal.aborted) return { kind: 'stopped' };
        throw error;
      }
    },
    finish: (content, partitions) =>
      change({ case: 'finish', value: { content, partitions: [...partitions] } }),
    arm: (trial) => change({ case: 'arm', value: trial }),
    markGood: () => change({ case: 'keep', value: {} }),
    condemn: () => change({ case: 'giveUp', value: {} }),
  };
}
