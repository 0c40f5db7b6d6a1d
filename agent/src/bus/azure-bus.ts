/**
 * The bus over Azure IoT Hub: a loop that opens a session, keeps it while it lasts, and opens the next one. The SDK's own
 * retries are off, because they end after four minutes and leave subscriptions behind.
 */
import common from 'azure-iot-common';
import type { DeviceClientOptions } from 'azure-iot-device';
import { createAssignmentReader } from './assignment.ts';
import { type BackoffOptions, waitMs } from './backoff.ts';
import {
  type Assignment,
  type Bus,
  type Link,
  type LinkFault,
  type Receivers,
  type Route,
  routes,
} from './bus.ts';
import type { Clock } from './clock.ts';
import { type Credentials, forSdk } from './credentials.ts';
import { createInbox } from './inbox.ts';
import { describe, type Notes } from './notes.ts';
import type { OutgoingQueue } from './outgoing.ts';
import { createPurge, purgeMethod } from './purge.ts';
import { createRouteChoice, type RouteMemory } from './route-choice.ts';
import { createSender } from './sender.ts';
import { openSession, type Session } from './session.ts';
import { within } from './time-limit.ts';

export type AzureBusOptions = {
  credentials: Credentials;
  outgoing: OutgoingQueue;
  receivers: Receivers;
  /** Called after each connect, whenever the twin changes, and now and then; often with what is known already. */
  onAssignment(assignment: Assignment): void;
  routeMemory: RouteMemory;
  clock: Clock;
  random: () => number;
  notes: Notes;
  /** Which ways may be tried, the preferred one first. Default both. */
  routes?: readonly Route[];
  /** Further options of the SDK: `ca` as PEM, `mqtt.webSocketAgent` for a proxy. */
  sdk?: DeviceClientOptions;
  /** Most messages on their way to the hub at once. Default 8. */
  maxInFlight?: number;
  /** `openMs` default 20,000; `twinMs` default 10,000; `closeMs` default 1,500. */
  timeLimits?: Partial<{ openMs: number; twinMs: number; closeMs: number }>;
  backoff?: Pick<BackoffOptions, 'baseMs' | 'maxMs'>;
  /** How often the twin is read although nothing says that it changed, in ms. Default 30 minutes. */
  twinIntervalMs?: number;
};

/** A link that lasted so long was no chance: the next failure counts as the first one. */
const steadyMs = 30_000;
/** How long `stop` waits for acknowledgements before the connection is cut. */
const farewellMs = 2_000;
/** How long it waits for the loop to see the end. With `closeMs` all three stay under 5 s. */
const loopEndMs = 1_000;

/** A bus that is not started yet. Throws when the connection string is not one; nothing throws later. */
export function createAzureBus(options: AzureBusOptions): Bus {
  const { outgoing, clock, random, notes } = options;
  common.ConnectionString.parse(forSdk(options.credentials).connectionString, ['HostName', 'DeviceId']);
  const timeLimits = { openMs: 20_000, twinMs: 10_000, closeMs: 1_500, ...options.timeLimits };
  const choice = createRouteChoice(options.routes ?? routes, options.routeMemory);
  const inbox = createInbox({ receivers: options.receivers, notes });
  const purge = createPurge({ inbox, clock });
  const sender = createSender({ outgoing, notes, maxInFlight: options.maxInFlight ?? 8 });
  const readAssignment = createAssignmentReader();
  const stopping = new AbortController();
  const listeners = new Set<(link: Link) => void>();
  let link: Link = { kind: 'idle' };
  let session: Session | undefined;
  let loop: Promise<void> | undefined;

  function setState(next: Link): void {
    link = next;
    if (next.kind === 'open')
      notes({ level: 'info', what: 'the link to the hub is open', detail: next.route });
    if (next.kind === 'waiting') {
      const { fault, attempt } = next;
      const what = `there is no link to the hub (${fault.reason}, attempt ${attempt})`;
      notes({ level: fault.reason === 'not_authorized' ? 'warn' : 'info', what, detail: fault.detail });
    }
    for (const listener of listeners) listener(next);
  }

  function onDesired(desired: Record<string, unknown>): void {
    const read = readAssignment(desired);
    if (read.kind === 'read') options.onAssignment(read.assignment);
    else notes({ level: 'warn', what: 'the assignment in the twin is not readable', detail: read.reason });
  }

  function pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = clock.after(ms, resolve);
      stopping.signal.addEventListener(
        'abort',
        () => {
          cancel();
          resolve();
        },
        { once: true },
      );
    });
  }

  /** Opens a session and waits for its end. Resolves to why there is none any more, and how long there was one. */
  async function live(attempt: number): Promise<{ fault: LinkFault; lastedMs: number }> {
    const route = choice.current;
    setState({ kind: 'opening', route, attempt });
    const opened = await openSession({
      route,
      credentials: options.credentials,
      clock,
      sdk: options.sdk ?? {},
      timeLimits,
      signal: stopping.signal,
      methods: { [purgeMethod]: purge },
      onMessage: inbox.add,
      onDesired,
    });
    if ('reason' in opened) {
      choice.failed();
      return { fault: opened, lastedMs: 0 };
    }
    if (stopping.signal.aborted) {
      await opened.close();
      return { fault: await opened.ended, lastedMs: 0 };
    }
    choice.worked();
    session = opened;
    const sinceMs = clock.now();
    setState({ kind: 'open', route, sinceMs });
    sender.use(opened);
    let cancelReading = () => {};
    const readLater = () => {
      cancelReading = clock.after(options.twinIntervalMs ?? 1_800_000, () => {
        opened.readTwin();
        readLater();
      });
    };
    readLater();
    const fault = await opened.ended;
    cancelReading();
    session = undefined;
    await opened.close();
    return { fault, lastedMs: clock.now() - sinceMs };
  }

  async function run(): Promise<void> {
    for (let attempt = 1; !stopping.signal.aborted; ) {
      const { fault, lastedMs } = await live(attempt);
      if (stopping.signal.aborted) break;
      if (lastedMs >= steadyMs) attempt = 1;
      const ms = waitMs(attempt, { ...options.backoff, random });
      setState({ kind: 'waiting', untilMs: clock.now() + ms, attempt, fault });
      attempt += 1;
      await pause(ms);
    }
  }

  async function stop(): Promise<void> {
    const drained = sender.stop();
    if (session !== undefined) await within(farewellMs, clock, drained);
    stopping.abort();
    await session?.close();
    await within(loopEndMs, clock, loop ?? Promise.resolve());
    setState({ kind: 'stopped' });
  }
  let stopped: Promise<void> | undefined;

  return {
    get link() {
      return link;
    },
    onLink(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    start() {
      loop ??= run();
    },
    async ask(payload, askOptions) {
      const current = session;
      if (current === undefined) return { kind: 'offline' };
      const stamped = outgoing.stamp(payload, askOptions);
      if (stamped.kind !== 'stamped') return { kind: 'refused', reason: stamped.kind };
      try {
        await current.send(stamped.message);
        return { kind: 'sent' };
      } catch (error) {
        notes({ level: 'info', what: 'a request was not acknowledged', detail: describe(error) });
        return { kind: 'offline' };
      }
    },
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}
