/**
 * One connection through the SDK, from its opening to its end, never opened again: after a drop the SDK does not renew all of
 * its subscriptions, and gives up after minutes, so the loop around this makes a new one instead.
 */
import common from 'azure-iot-common';
import iot, { type DeviceClientOptions, type Message } from 'azure-iot-device';
import type { Mqtt } from 'azure-iot-device-mqtt';
import type { LinkFault, Route } from './bus.ts';
import type { Clock } from './clock.ts';
import { type Credentials, forSdk, withoutPort } from './credentials.ts';
import { describe } from './notes.ts';
import type { Outgoing } from './outgoing.ts';
import { type Ending, transportFor } from './sdk-transport.ts';
import { within } from './time-limit.ts';

export type SessionOptions = {
  route: Route;
  credentials: Credentials;
  clock: Clock;
  /** Further options of the SDK: `ca` as PEM, a WebSocket agent for a proxy. */
  sdk: DeviceClientOptions;
  timeLimits: { openMs: number; twinMs: number; closeMs: number };
  /** Cuts short the opening. */
  signal: AbortSignal;
  methods: Record<string, () => Promise<unknown>>;
  onMessage(body: Uint8Array): void;
  /** The desired properties, as they are whenever they may have changed. */
  onDesired(desired: Record<string, unknown>): void;
};

export type Session = {
  /** Resolves when the connection has ended, however. */
  readonly ended: Promise<LinkFault>;
  /** Resolves when the hub has acknowledged it. Rejects when it may not have arrived; the session may then be over. */
  send(message: Outgoing): Promise<void>;
  /** Reads the twin again, in case a change was missed. */
  readTwin(): void;
  /** Ends it within the time limit: with a goodbye if nothing is unacknowledged, else without one. */
  close(): Promise<void>;
};

/** A session, or why there is none. Never throws. */
export async function openSession(options: SessionOptions): Promise<Session | LinkFault> {
  const { route, clock, timeLimits } = options;
  const { connectionString, options: identity } = forSdk(options.credentials);
  let transport: (Mqtt & Ending) | undefined;
  const Transport = transportFor(route, {
    onMade(made) {
      transport = made;
      // Before the client's own listener can be: the hub delivers as soon as an old subscription is back.
      made.on('message', (message: Message) => options.onMessage(message.getBytes()));
    },
  });
  const text = route === 'mqtt_ws' ? withoutPort(connectionString) : connectionString;
  try {
    const client = iot.Client.fromConnectionString(text, Transport);
    if (transport === undefined) throw new Error('the SDK made no transport');
    client.setRetryPolicy(new common.NoRetry());
    const { ended, end } = endOf(client, transport);
    const opening = client.setOptions({ ...options.sdk, ...identity }).then(() => client.open());
    const { signal } = options;
    const giveUp = () => transport?.cut();
    signal.addEventListener('abort', giveUp);
    const opened = await within(timeLimits.openMs, clock, opening);
    signal.removeEventListener('abort', giveUp);
    if (opened.kind !== 'settled') {
      transport.cut();
      return opened.kind === 'timed_out'
        ? { reason: 'timed_out', detail: `no connection within ${timeLimits.openMs} ms` }
        : faultOf(opened.error);
    }
    return sessionOn(client, transport, { ...options, ended, end });
  } catch (error) {
    transport?.cut();
    return faultOf(error);
  }
}

/** What failed while opening. The SDK calls nearly every first failure unauthorized; only what the hub answered counts. */
function faultOf(error: unknown): LinkFault {
  const detail = describe(error);
  const denied = /connection refused: (not authorized|bad user ?name or password)/i.test(detail);
  return { reason: denied ? 'not_authorized' : 'unreachable', detail };
}

function endOf(client: iot.Client, transport: Mqtt & Ending) {
  const { promise: ended, resolve } = Promise.withResolvers<LinkFault>();
  const end = (detail: string) => resolve({ reason: 'lost', detail });
  // Without a listener an 'error' would end the process.
  client.on('error', (error: Error) => end(describe(error)));
  client.on('disconnect', (result?: { transportObj?: unknown }) =>
    end(describe(result?.transportObj ?? 'the connection ended')),
  );
  transport.on('disconnect', (error?: Error) => end(describe(error ?? 'the connection ended')));
  return { ended, end };
}

function sessionOn(
  client: iot.Client,
  transport: Mqtt & Ending,
  options: SessionOptions & { ended: Promise<LinkFault>; end(detail: string): void },
): Session {
  const { clock, timeLimits, methods, ended, end } = options;
  let unacknowledged = 0;
  let over = false;
  void ended.then(() => {
    over = true;
  });

  // This asks for the subscription; the messages come by the transport.
  client.on('message', () => {});
  for (const [name, call] of Object.entries(methods)) {
    client.onDeviceMethod(name, (_request, response) => {
      call().then(
        (answer) => response.send(200, answer).catch(() => {}),
        (error: unknown) => response.send(500, { message: describe(error) }).catch(() => {}),
      );
    });
  }

  const gone = ended.then((fault): never => {
    throw new Error(fault.detail);
  });
  // Nobody may be reading the twin when it ends.
  gone.catch(() => {});
  let reading = false;
  let readAgain = false;
  async function readTwin(): Promise<void> {
    readAgain = true;
    if (reading) return;
    reading = true;
    while (readAgain && !over) {
      readAgain = false;
      const twin = new Promise<{ desired: Record<string, unknown> }>((resolve, reject) => {
        transport.getTwin((error, properties) =>
          error || properties === undefined ? reject(error) : resolve(properties),
        );
      });
      // A response that is lost never settles the SDK's promise.
      const read = await within(timeLimits.twinMs, clock, Promise.race([twin, gone]));
      if (over) break;
      if (read.kind === 'settled') options.onDesired(read.value.desired);
      else end(read.kind === 'timed_out' ? 'the hub did not answer for the twin' : describe(read.error));
    }
    reading = false;
  }
  // Subscribed before it is read, so that no change falls between; a change is an occasion to read it again.
  transport.on('twinDesiredPropertiesUpdate', () => void readTwin());
  transport.enableTwinDesiredPropertiesUpdates((error) => {
    if (error) end(describe(error));
    else void readTwin();
  });

  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    over = true;
    if (unacknowledged === 0) await within(timeLimits.closeMs, clock, client.close());
    transport.cut();
    end('closed');
  }

  return {
    ended,
    readTwin: () => void readTwin(),
    async send({ messageId, body }) {
      // The SDK would open the connection again.
      if (over) throw new Error('the connection has ended');
      const message = new iot.Message(Buffer.from(body.buffer, body.byteOffset, body.byteLength));
      // The SDK's type knows JSON only; what travels is any text.
      Object.assign(message, { messageId, contentType: 'application/x-protobuf' });
      unacknowledged += 1;
      try {
        // The SDK settles what was on its way late, or not at all, when the connection ends.
        await Promise.race([client.sendEvent(message), gone]);
      } finally {
        unacknowledged -= 1;
      }
    },
    close() {
      closing ??= close();
      return closing;
    },
  };
}
