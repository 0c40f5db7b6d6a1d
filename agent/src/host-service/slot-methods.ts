/** The methods of HostService that are about the slots of a BASE. What changes them goes one after the other. */
import { realpathSync, statSync } from 'node:fs';
import { join, sep } from 'node:path';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { type ChangeSlotsRequest, HostService, type WriteSlotImageRequest } from '@iotdh/proto/host/v1';
import { wordsOf } from '../install/component-installer.ts';
import type { Slots } from '../slots/slots.ts';
import type { Ended, Once } from './journalled.ts';
import { stateOf } from './slot-state.ts';

export type SlotMethodsOptions = {
  /** Undefined: refused. */
  slots: Slots | undefined;
  imageFolder: string | null;
  once: Once;
  stopping: AbortSignal;
};

const { method } = HostService;

export function createSlotMethods(
  options: SlotMethodsOptions,
): Pick<ServiceImpl<typeof HostService>, 'getSlots' | 'getSlotPartition' | 'writeSlotImage' | 'changeSlots'> {
  const { slots, imageFolder, once, stopping } = options;
  const named = () => {
    if (slots !== undefined) return slots;
    throw new ConnectError('this host has no slots for the agent', Code.PermissionDenied);
  };

  /** An agent that was killed may ask anew while what it asked for before is still under way. */
  let last: Promise<unknown> = Promise.resolve();
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = last.then(work);
    last = mine.catch(() => undefined);
    return mine;
  }

  /** What the surroundings cause, such as a disk that fails, is told in words. */
  async function attempt<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw new ConnectError(wordsOf(error), Code.FailedPrecondition);
    }
  }

  async function write(
    to: Slots,
    request: WriteSlotImageRequest,
  ): Promise<Ended<{ size: bigint; unfit: string }>> {
    const { content, partition, image, digest, minPartitionBytes } = request;
    const path = imageIn(imageFolder, image);
    const unfit = (reason: string) =>
      ({ kind: 'done', response: { size: 0n, unfit: reason.slice(0, 1000) } }) as const;
    if (path === null) return unfit(`${image} is no file in the folder of images`);
    const named = {
      path,
      digest: Buffer.from(digest).toString('hex'),
      minPartitionBytes: Number(minPartitionBytes),
    };
    const end = await to.write(content, partition, named, stopping);
    if (end.kind === 'unfit') return unfit(end.reason);
    return end.kind === 'written' ? { kind: 'done', response: { size: BigInt(end.bytes), unfit: '' } } : end;
  }

  return {
    async getSlots() {
      const of = named();
      return stateOf(await attempt(() => of.inspect()));
    },
    async getSlotPartition({ name }) {
      const of = named();
      const bytes = await attempt(() => of.partitionBytes(name));
      return bytes === null ? {} : { size: BigInt(bytes) };
    },
    writeSlotImage(request) {
      const to = named();
      const work = () => inTurn(() => attemptOnce(() => write(to, request)));
      return once(method.writeSlotImage, request, true, work);
    },
    changeSlots(request) {
      const of = named();
      const work = async (): Promise<Ended<{ refused: string }>> => {
        const refused = await change(of, request);
        return { kind: 'done', response: { refused: refused?.reason ?? '' } };
      };
      return once(method.changeSlots, request, true, () => inTurn(() => attemptOnce(work)));
    },
  };
}

/** A failure is the end of this operation; the next try has another id. */
async function attemptOnce<T>(work: () => Promise<Ended<T>>): Promise<Ended<T>> {
  try {
    return await work();
  } catch (error) {
    return { kind: 'failed', reason: wordsOf(error) };
  }
}

function change(slots: Slots, { step }: ChangeSlotsRequest): ReturnType<Slots['begin']> {
  switch (step.case) {
    case 'begin':
      return slots.begin(step.value.content);
    case 'finish':
      return slots.finish(step.value.content, step.value.partitions);
    case 'arm': {
      const { job, content, armedIn } = step.value;
      return slots.arm({ job, content, armedIn });
    }
    case 'keep':
      return slots.markGood();
    case 'giveUp':
      return slots.condemn();
    case undefined:
      return Promise.resolve({ kind: 'refused', reason: 'no step was named' });
  }
}

/**
 * The file of this name, if it is one inside the folder and not a link out of it. Who may write to that folder could still put
 * another there before it is opened; what is written is compared with its digest.
 */
function imageIn(folder: string | null, image: string): string | null {
  if (folder === null) return null;
  try {
    const path = realpathSync(join(folder, image));
    return path.startsWith(realpathSync(folder) + sep) && statSync(path).isFile() ? path : null;
  } catch {
    return null;
  }
}
