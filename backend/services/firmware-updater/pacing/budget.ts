/**
 * What this replica may send of what the hub allows to all of them. It takes from the shared account in slices, spends them
 * here without asking anybody, and gives back what it did not need. While the database is away nothing is granted.
 */
import type { Clock } from '../../../shared/clock.ts';
import type { Log } from '../../../shared/log.ts';
import { endOfDay, type Step, type Use } from '../../../shared/quota/account.ts';
import { allowanceOf, type HubPolicy, type Shares } from '../../../shared/quota/hub-settings.ts';
import type { QuotaStore } from '../../../shared/quota/quota-store.ts';

export type MessageKind = 'command' | 'frame';

export type Budget = {
  /** Takes the right to send one message. False: not now; `changed` is called when it is worth another try. */
  take(kind: MessageKind, units: number): boolean;
  /** The right was not used. */
  giveBack(kind: MessageKind, units: number): void;
  /** The hub has the message. */
  sent(kind: MessageKind, units: number): void;
  /** The hub refused a message because its messages of the day are used up. */
  refused(): void;
  /** Until when no frame may go, because the day's share is used up; undefined: frames may go. */
  framesFromMs(nowMs: number): number | undefined;
  /** Says what waits, and takes the word that more may go. Once, before anything is taken. */
  serve(demand: { waiting(): { commands: number; frames: number }; changed(): void }): void;
  start(): void;
  /** Gives back what is left, if the database answers within 2 s. */
  stop(): Promise<void>;
};

export type BudgetOptions = {
  /** Names this replica; another one after each start. */
  replicaId: string;
  policy: HubPolicy;
  store: Pick<QuotaStore, 'step'>;
  clock: Clock;
  random: () => number;
  log: Log;
  /** How often what was sent is told, and what is not needed given back, in ms. Default 5 s. */
  tellEveryMs?: number;
  onStep?(seen: { granted: number; left: number; isFramesUsed: boolean }): void;
};

const retryMs = 1_000;
const goodbyeMs = 2_000;
const tryAgainMs = 3_600_000;
const nothing = (): Step['sent'] => ({
  commands: { messages: 0, units: 0 },
  frames: { messages: 0, units: 0 },
});
const isNothing = ({ commands, frames }: Step['sent']): boolean => commands.messages + frames.messages === 0;

export function createBudget(options: BudgetOptions): Budget {
  const { replicaId, policy, store, clock, random, log, tellEveryMs = 5_000 } = options;
  let demand = { waiting: () => ({ commands: 0, frames: 0 }), changed: () => {} };
  /** What is left of the grant of `lastStep`. */
  let messages = 0;
  let frameUnits = 0;
  let lastStep = 0;
  let sent = nothing();
  let isRefused = false;
  let unitsPerFrame = 1;
  let framesFrom: number | undefined;
  let shares: Shares | null = null;
  let asking: Promise<void> | undefined;
  /** What the last step asked for; a command that came since need not wait for what frames wait for. */
  let askedCommands = 0;
  let cancelAgain: (() => void) | undefined;
  let cancelTell: (() => void) | undefined;
  let isStopped = false;
  let hasTrouble = false;

  const isUnlimited = (): boolean => {
    const { messagesPerMinute, frameUnitsPerDay } = allowanceOf(policy, shares);
    return !Number.isFinite(messagesPerMinute) && !Number.isFinite(frameUnitsPerDay);
  };

  function add(use: Use, units: number): void {
    use.messages += 1;
    use.units += units;
  }

  /** What is left goes back with the step that asks for more, so nothing may be spent until it is answered. */
  function nextStep(waiting: Step['waiting']): Step {
    const left = { step: lastStep, messages, frameUnits };
    const taken = { replicaId, policy, left, sent, waiting, unitsPerFrame, refused: isRefused };
    messages = 0;
    frameUnits = 0;
    sent = nothing();
    isRefused = false;
    lastStep += 1;
    return { ...taken, step: lastStep };
  }

  async function exchange(taken: Step): Promise<void> {
    for (;;) {
      try {
        const grant = await store.step(taken);
        if (hasTrouble) log.info('the account of the quota answers again');
        hasTrouble = false;
        messages += grant.messages;
        frameUnits += grant.frameUnits;
        shares = grant.shares;
        const { framesFromTime, now } = grant;
        framesFrom =
          framesFromTime === null
            ? undefined
            : Math.round(clock.now() + framesFromTime.getTime() - now.getTime());
        const granted = grant.messages;
        options.onStep?.({ granted, left: messages, isFramesUsed: framesFrom !== undefined });
        if (granted === 0 && !isStopped) againAfter(grant.againMs * (1 + random() / 4));
        return;
      } catch (error) {
        if (!hasTrouble)
          log.warn('the account of the quota does not answer; nothing is sent until it does', { error });
        hasTrouble = true;
        if (isStopped) return;
        // The same step again: whether it was written is not known, and it counts once.
        await new Promise<void>((resolve) => void clock.after(retryMs, resolve));
      }
    }
  }

  function againAfter(ms: number): void {
    cancelAgain?.();
    cancelAgain = clock.after(ms, () => {
      cancelAgain = undefined;
      demand.changed();
    });
  }

  function ask(): void {
    if (asking !== undefined || isStopped) return;
    cancelAgain?.();
    cancelAgain = undefined;
    const waiting = demand.waiting();
    askedCommands = waiting.commands;
    asking = exchange(nextStep(waiting)).finally(() => {
      asking = undefined;
      demand.changed();
    });
  }

  function tell(): void {
    cancelTell = clock.after(tellEveryMs, tell);
    // Shares may have been raised since frames were refused, or our clock set, so that is asked about although nothing waits.
    if (messages > 0 || !isNothing(sent) || isRefused || framesFrom !== undefined) ask();
  }

  return {
    take(kind, units) {
      if (kind === 'frame') {
        if (this.framesFromMs(clock.now()) !== undefined) return false;
        unitsPerFrame = units;
      }
      if (isUnlimited()) return true;
      if (asking === undefined && messages > 0 && (kind === 'command' || frameUnits >= units)) {
        messages -= 1;
        if (kind === 'frame') frameUnits -= units;
        return true;
      }
      const isUrgent = kind === 'command' && askedCommands === 0;
      if (cancelAgain === undefined || isUrgent) ask();
      return false;
    },
    giveBack(kind, units) {
      if (isUnlimited()) return;
      messages += 1;
      if (kind === 'frame') frameUnits += units;
    },
    sent(kind, units) {
      if (kind === 'command') add(sent.commands, units);
      else add(sent.frames, isUnlimited() ? units : 0);
    },
    refused() {
      isRefused = true;
      const nowMs = clock.now();
      framesFrom = Math.min(endOfDay(new Date(nowMs)).getTime(), nowMs + tryAgainMs);
      ask();
    },
    framesFromMs: (nowMs) => (framesFrom !== undefined && nowMs < framesFrom ? framesFrom : undefined),
    serve(given) {
      demand = given;
    },
    start: tell,
    async stop() {
      if (isStopped) return;
      cancelTell?.();
      cancelAgain?.();
      const goodbye = async () => {
        await asking;
        isStopped = true;
        cancelAgain?.();
        if (messages > 0 || !isNothing(sent)) await exchange(nextStep({ commands: 0, frames: 0 }));
      };
      await Promise.race([goodbye(), new Promise<void>((resolve) => void clock.after(goodbyeMs, resolve))]);
      isStopped = true;
    },
  };
}
