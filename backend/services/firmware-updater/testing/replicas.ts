/** Replicas of the updater with their real pacers and budgets, in time that passes when a test says so, and one account for all. */
import assert from 'node:assert/strict';
import { silentLog } from '../../../shared/log.ts';
import { type Account, emptyAccount, type Step, step } from '../../../shared/quota/account.ts';
import { hubLimits } from '../../../shared/quota/hub-limits.ts';
import type { HubPolicy } from '../../../shared/quota/hub-settings.ts';
import { createBudget } from '../pacing/budget.ts';
import { createPacer, type FrameJob } from '../pacing/pacer.ts';
import { createRate } from '../pacing/rate.ts';
import type { C2dMessage } from '../sender/c2d-message.ts';

export const s1: HubPolicy = {
  hub: { sku: 'S1', units: 1 },
  shares: { ratePercent: 80, dailyPercent: 50 },
  messagesPerMinute: null,
  frameUnitsPerDay: null,
};
export const startMs = Date.parse('2026-11-30T12:00:00Z');
/** Lets every promise that can go on do so. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Time, an account and a hub in this process; replicas whose clocks are wrong by whole minutes, each by another one. */
export function createReplicas(policy: HubPolicy = s1) {
  const timers: { atMs: number; callback(): void }[] = [];
  let passedMs = 0;
  let account: Account = emptyAccount(new Date(startMs));
  let isAway = false;
  let steps = 0;
  /** A step that was written, and whose answer is lost. */
  let losesAnswer = false;
  const applied = new Map<string, number>();
  const sent: { replica: string; id: string; atMs: number }[] = [];
  const store = {
    async step(taken: Step) {
      if (isAway) throw new Error('the database is away');
      steps += 1;
      const now = new Date(startMs + passedMs);
      const mine = account.leases.find(({ replicaId }) => replicaId === taken.replicaId);
      if (mine?.step === taken.step) {
        const { messages, frameUnits } = mine;
        return { messages, frameUnits, againMs: 0, framesFromTime: null, now, shares: account.shares };
      }
      assert.ok((applied.get(taken.replicaId) ?? 0) < taken.step, 'a step is taken once');
      applied.set(taken.replicaId, taken.step);
      const next = step(account, taken, { now, telemetryUnits: 0 });
      account = next.account;
      if (losesAnswer) {
        losesAnswer = false;
        throw new Error('the answer is lost');
      }
      return { ...next.grant, now, shares: account.shares };
    },
  };

  async function pass(ms: number): Promise<void> {
    const untilMs = passedMs + ms;
    for (;;) {
      await settle();
      const next = timers.filter(({ atMs }) => atMs <= untilMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      timers.splice(timers.indexOf(next), 1);
      passedMs = Math.max(passedMs, next.atMs);
      next.callback();
    }
    passedMs = untilMs;
  }

  function replica(name: string, wrongByMs = 0) {
    let skewMs = wrongByMs;
    const clock = {
      now: () => startMs + passedMs + skewMs,
      after(ms: number, callback: () => void) {
        const timer = { atMs: passedMs + ms, callback };
        timers.push(timer);
        return () => {
          const at = timers.indexOf(timer);
          if (at >= 0) timers.splice(at, 1);
        };
      },
    };
    const budget = createBudget({
      ...{ replicaId: name, policy, store, clock },
      ...{ random: () => 0.5, log: silentLog },
    });
    const pacer = createPacer({
      ...{ budget, clock },
      rate: createRate({ perMinute: policy.hub === null ? 'off' : hubLimits(policy.hub).c2dPerMinute }),
      async send({ messageId }: C2dMessage) {
        sent.push({ replica: name, id: messageId, atMs: passedMs });
        return { kind: 'sent' };
      },
    });
    budget.start();
    return {
      ...{ budget, pacer },
      /** The replica's clock is wrong by so much from now on. */
      setClock(nextMs: number) {
        skewMs = nextMs;
      },
    };
  }
  return {
    sent,
    passedMs: () => passedMs,
    replica,
    pass,
    store,
    account: () => account,
    setAccount: (change: Partial<Account>) => {
      account = { ...account, ...change };
    },
    away: (value: boolean) => {
      isAway = value;
    },
    loseAnswer: () => {
      losesAnswer = true;
    },
    steps: () => steps,
  };
}

export const message = (deviceId: string, messageId: string): C2dMessage => ({
  ...{ deviceId, messageId, body: new Uint8Array(1), lifetimeMs: 1_000 },
});
function job(deviceId: string, key: string, told: number[] = []): FrameJob {
  return {
    ...{ key, group: 'transfer', units: 15 },
    make: async () => message(deviceId, key),
    quotaUsed: (untilMs) => void told.push(untilMs),
  };
}
export const jobs = (deviceId: string, from: number, count: number, told?: number[]): FrameJob[] =>
  Array.from({ length: count }, (_, n) => job(deviceId, `${deviceId}/${from + n}`, told));
