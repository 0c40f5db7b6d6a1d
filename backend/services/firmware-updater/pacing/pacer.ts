/**
 * The one gate through which this process sends: at the hub's pace, commands before refusals of frames, and those before frames, the
 * devices in turn, and only so many at once. What waits here are jobs and not bytes: a frame is read only when its turn has come.
 */
import type { Clock } from '../../../shared/clock.ts';
import type { C2dMessage, SendOutcome } from '../sender/c2d-message.ts';
import { meteredUnits } from '../sender/c2d-message.ts';
import type { Budget, MessageKind } from './budget.ts';
import { createFairQueue, type FairQueue } from './fair-queue.ts';
import type { Rate } from './rate.ts';

export type FrameJob = {
  /** The same for the same bytes in the same transfer: what waits already does not wait twice. */
  key: string;
  /** The transfer and object, by which jobs are dropped together. */
  group: string;
  /** What its message counts in the hub's quota. */
  units: number;
  /** Makes the message when its turn has come. Undefined: it cannot be had, and is left out; the device asks again. */
  make(): Promise<C2dMessage | undefined>;
  /** It will not be sent, because the day's share is used up until then. */
  quotaUsed(untilMs: number): void;
};

/** Where a frame ended that was taken on. `dropped`: it was no longer wanted, too old, or could not be read. */
export type FrameEnd = SendOutcome['kind'] | 'dropped';

export type PacerOptions = {
  send(message: C2dMessage): Promise<SendOutcome>;
  /** The replica's part of what the hub allows. The rate is the net beneath it, for when the hub throttles all the same. */
  budget: Pick<Budget, 'take' | 'giveBack' | 'sent' | 'refused' | 'framesFromMs' | 'serve'>;
  rate: Rate;
  clock: Clock;
  /** Most messages in the SDK at once. Default 32. */
  maxInFlight?: number;
  /**
   * Most frames that wait or are on their way for one device. Default 64: a device has at most 32 on their way, but frames reach
   * it, and it asks for the next ones, before we hear that the hub took them. One that is left out costs it a wait of seconds.
   */
  maxFramesPerDevice?: number;
  /**
   * A frame that has waited so long is dropped, unless it was asked for again meanwhile, in ms. Default 160 s: a little more than a
   * device is patient, so that one that waits for its turn keeps its place.
   */
  maxFrameAgeMs?: number;
  /** How often a throttled command is tried before its order has to wait. Default 5. */
  maxCommandAttempts?: number;
  onFrame?(end: FrameEnd, bytes: number): void;
  onThrottle?(): void;
};

export type Pacer = {
  /** Resolves when the hub has answered. */
  command(message: C2dMessage): Promise<SendOutcome>;
  /** The same for what tells a device why its frames do not come: of a whole fleet at once it must not hold up what operators do. */
  refusal(message: C2dMessage): Promise<SendOutcome>;
  /** Takes on as many as the device may have outstanding, and answers how many; the others are forgotten. */
  frames(deviceId: string, jobs: readonly FrameJob[]): number;
  /** Drops the device's frames that wait and belong to none of these groups. */
  keepOnly(deviceId: string, groups: (group: string) => boolean): void;
  readonly waiting: { commands: number; frames: number };
  /** Takes nothing more; resolves when what was on its way has been answered. Waiting frames are dropped. */
  stop(): Promise<void>;
};

type Command = {
  message: () => C2dMessage;
  units: number;
  attempts: number;
  resolve(outcome: SendOutcome): void;
};
type Frame = FrameJob & { sinceMs: number };

/** After a lost connection the sender says by itself when it tries again; this only keeps us from asking at every instant. */
const unreachablePauseMs = 250;

export function createPacer(options: PacerOptions): Pacer {
  const { rate, budget, clock, maxInFlight = 32, maxFramesPerDevice = 64, maxFrameAgeMs = 160_000 } = options;
  const { maxCommandAttempts = 5, onFrame = () => {}, onThrottle = () => {} } = options;
  const commands = createFairQueue<Command>();
  const refusals = createFairQueue<Command>();
  const frames = createFairQueue<Frame>();
  /** Every frame of a device that waits or is on its way, by its key. */
  const outstanding = new Map<string, Map<string, Frame>>();
  let inFlight = 0;
  let stopped = false;
  let cancelTimer: (() => void) | undefined;
  let drained: (() => void) | undefined;

  function settled(deviceId: string, { key }: Frame): void {
    const own = outstanding.get(deviceId);
    own?.delete(key);
    if (own?.size === 0) outstanding.delete(deviceId);
  }

  function drop(deviceId: string, dropped: readonly Frame[]): void {
    for (const frame of dropped) {
      settled(deviceId, frame);
      onFrame('dropped', 0);
    }
  }

  /** Sends whatever may go now, and comes back by itself when more may go. */
  function pump(): void {
    cancelTimer?.();
    cancelTimer = undefined;
    while (inFlight < maxInFlight) {
      const next = nextToSend();
      if (next === undefined) break;
      const waitMs = rate.take(clock.now());
      if (waitMs > 0) {
        cancelTimer = clock.after(waitMs, pump);
        return;
      }
      if (!budget.take(next.kind, next.units)) {
        rate.giveBack();
        // It comes back with `changed`.
        break;
      }
      next.queue.next();
      inFlight += 1;
      void next.send().finally(ended);
    }
    if (stopped && inFlight === 0 && commands.size + refusals.size === 0) drained?.();
  }

  type Next = { kind: MessageKind; queue: { next(): unknown }; units: number; send(): Promise<void> };

  /** A command if one waits, else a refusal, else the frame whose turn it is; it stays where it is until it is sent. */
  function nextToSend(): Next | undefined {
    for (const queue of [commands, refusals]) {
      const command = queue.peek();
      if (command === undefined) continue;
      const { deviceId, item } = command;
      const { units } = item;
      return { kind: 'command', queue, units, send: () => sendCommand(queue, deviceId, item) };
    }
    if (stopped) return undefined;
    refuseFrames();
    for (let frame = frames.peek(); frame !== undefined; frame = frames.peek()) {
      const { deviceId, item } = frame;
      if (clock.now() - item.sinceMs <= maxFrameAgeMs) {
        return { kind: 'frame', queue: frames, units: item.units, send: () => sendFrame(deviceId, item) };
      }
      frames.next();
      drop(deviceId, [item]);
    }
    return undefined;
  }

  /** Once the day's share is used up, whoever waits is told at once rather than left to ask in vain. */
  function refuseFrames(): void {
    const untilMs = frames.size === 0 ? undefined : budget.framesFromMs(clock.now());
    if (untilMs === undefined) return;
    const told: FrameJob[] = [];
    for (let frame = frames.next(); frame !== undefined; frame = frames.next()) {
      settled(frame.deviceId, frame.item);
      onFrame('quota_used', 0);
      told.push(frame.item);
    }
    for (const job of told) job.quotaUsed(untilMs);
  }

  function ended(): void {
    inFlight -= 1;
    pump();
  }

  /** What any answer means for everything else that waits. */
  function learn({ kind }: SendOutcome, message: MessageKind, units: number): void {
    if (kind === 'sent') budget.sent(message, units);
    // Nobody knows whether the hub has it when it was not reached, so that counts.
    else if (kind !== 'unreachable') budget.giveBack(message, units);
    if (kind === 'quota_used') budget.refused();
    if (kind === 'throttled') {
      onThrottle();
      rate.throttled(clock.now());
    } else if (kind === 'unreachable') {
      rate.pauseUntil(clock.now() + unreachablePauseMs);
    }
  }

  async function sendCommand(queue: FairQueue<Command>, deviceId: string, command: Command): Promise<void> {
    const outcome = await options.send(command.message());
    learn(outcome, 'command', command.units);
    command.attempts += 1;
    if (outcome.kind === 'throttled' && command.attempts < maxCommandAttempts && !stopped) {
      queue.putBack(deviceId, command);
    } else command.resolve(outcome);
  }

  async function sendFrame(deviceId: string, frame: Frame): Promise<void> {
    const message = await frame.make();
    if (message === undefined || stopped) {
      rate.giveBack();
      budget.giveBack('frame', frame.units);
      return drop(deviceId, [frame]);
    }
    const bytes = message.body.length;
    const outcome = await options.send(message);
    learn(outcome, 'frame', frame.units);
    if ((outcome.kind === 'throttled' || outcome.kind === 'unreachable') && !stopped) {
      frames.putBack(deviceId, frame);
      return;
    }
    settled(deviceId, frame);
    onFrame(outcome.kind, bytes);
    // The rest would be refused as well; the device asks again when it has room, or is there.
    if (outcome.kind !== 'sent')
      drop(
        deviceId,
        frames.remove(() => true, deviceId),
      );
  }

  function wait(queue: FairQueue<Command>, message: C2dMessage): Promise<SendOutcome> {
    if (stopped) return Promise.resolve({ kind: 'unreachable', reason: 'the updater is stopping' });
    return new Promise((resolve) => {
      // Its memory goes to the sender's thread, so each attempt has its own.
      const copy = (): C2dMessage => ({ ...message, body: message.body.slice() });
      queue.add(message.deviceId, { message: copy, units: meteredUnits(message), attempts: 0, resolve });
      pump();
    });
  }

  const pacer: Pacer = {
    command: (message) => wait(commands, message),
    refusal: (message) => wait(refusals, message),
    frames(deviceId, jobs) {
      if (stopped) return 0;
      const own = outstanding.get(deviceId) ?? new Map<string, Frame>();
      let taken = 0;
      for (const job of jobs) {
        const known = own.get(job.key);
        if (known !== undefined) {
          known.sinceMs = clock.now();
          continue;
        }
        if (own.size >= maxFramesPerDevice) break;
        const frame: Frame = { ...job, sinceMs: clock.now() };
        own.set(job.key, frame);
        frames.add(deviceId, frame);
        taken += 1;
      }
      if (own.size > 0) outstanding.set(deviceId, own);
      pump();
      return taken;
    },
    keepOnly(deviceId, groups) {
      drop(
        deviceId,
        frames.remove(({ group }) => !groups(group), deviceId),
      );
    },
    get waiting() {
      return { commands: commands.size + refusals.size, frames: frames.size };
    },
    async stop() {
      if (stopped) return;
      stopped = true;
      // Nobody has to have them: a device asks again.
      for (const { resolve } of refusals.remove(() => true)) {
        resolve({ kind: 'unreachable', reason: 'the updater is stopping' });
      }
      const left = new Promise<void>((resolve) => {
        drained = resolve;
      });
      pump();
      await left;
    },
  };
  budget.serve({ waiting: () => pacer.waiting, changed: pump });
  return pacer;
}
