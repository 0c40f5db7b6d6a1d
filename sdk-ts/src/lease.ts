/** A hold on BUSY that renews itself for as long as it is not released: if the host application dies, it ends by itself. */
import { create } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import type { Client } from '@connectrpc/connect';
import { AgentError, agentErrorOf } from './agent-error.ts';
import type { Call } from './call.ts';
import { type Clock, sleep } from './clock.ts';
import { activityOf } from './names.ts';
import { type AgentService, BusyReasonSchema } from './proto.ts';
import type { BusyReason, WaitOptions } from './types.ts';

export type BusyLease = AsyncDisposable & {
  /** The agent's name for the lease; another one after it had to be taken anew. */
  readonly id: string;
  /** Aborts, with an AgentError as its reason, when the machine is no longer held although nobody released it. */
  readonly signal: AbortSignal;
  /** Ends the hold. Released twice, or after the agent has ended it, is fine. */
  release(wait?: WaitOptions): Promise<void>;
  /** As `release`; an agent that cannot be reached is left to end the lease by itself. */
  [Symbol.asyncDispose](): Promise<void>;
};

export type LeaseOptions = {
  client: Client<typeof AgentService>;
  call: Call;
  clock: Clock;
  newId: () => string;
  reason: BusyReason;
  /** How long the hold outlasts the host application, in ms. Renewed after a third of it. */
  leaseMs: number;
  /** Called when the lease needs no renewal any more. */
  onEnd: (lease: Ending) => void;
};

/** Ends a lease without asking the agent, which has ended it already. */
export type Ending = { forget(): void };

/** Takes the lease. Throws an AgentError, in particular while an update is applied. */
export async function takeLease(options: LeaseOptions, wait: WaitOptions): Promise<BusyLease & Ending> {
  const { client, call, clock, newId, leaseMs, onEnd } = options;
  const { activity, text = '' } = options.reason;
  const reason = create(BusyReasonSchema, { text, ...(activity && { activity: activityOf(activity) }) });
  const ended = new AbortController();
  const lost = new AbortController();

  async function set(leaseId: string, within: WaitOptions): Promise<string> {
    const request = { reason, leaseDuration: durationFromMs(leaseMs), leaseId, requestId: newId() };
    const { hold } = await call((signal) => client.setBusy(request, { signal }), within);
    return hold?.leaseId ?? '';
  }

  let id = await set('', wait);

  /** A lease that ran out, while this process was suspended or the agent away, is taken anew: the host is still busy. */
  async function renew(): Promise<void> {
    const within = { timeoutMs: leaseMs / 6, signal: ended.signal };
    try {
      await set(id, within);
    } catch (error) {
      if (agentErrorOf(error).details?.kind !== 'lease_unknown') throw error;
      id = await set('', within);
    }
  }

  async function keepUp(): Promise<void> {
    while (!ended.signal.aborted) {
      await sleep(clock, leaseMs / 3, ended.signal, true);
      if (ended.signal.aborted) return;
      try {
        await renew();
      } catch (error) {
        if (ended.signal.aborted) return;
        const failure = agentErrorOf(error);
        if (failure.retryable) continue;
        lost.abort(failure);
        forget();
      }
    }
  }
  const renewing = keepUp();

  function forget(): void {
    ended.abort();
    onEnd(lease);
  }

  async function release(within?: WaitOptions): Promise<void> {
    const already = ended.signal.aborted;
    forget();
    await renewing;
    if (already) return;
    const request = { leaseId: id, requestId: newId() };
    try {
      await call((signal) => client.setReady(request, { signal }), within);
    } catch (error) {
      // Gone already, or gone with BUSY itself.
      const kind = error instanceof AgentError ? error.details?.kind : undefined;
      if (kind !== 'lease_unknown' && kind !== 'transition_refused') throw error;
    }
  }

  const lease: BusyLease & Ending = {
    get id() {
      return id;
    },
    signal: lost.signal,
    forget,
    release,
    async [Symbol.asyncDispose]() {
      try {
        await release();
      } catch (error) {
        if (!(error instanceof AgentError && error.retryable)) throw error;
      }
    },
  };
  return lease;
}
