/**
 * A connected device: its session, what it is subscribed to, and what becomes of it when the link ends.
 */
import type { HubMessage } from '../engine/message.ts';
import type { MethodCall, Session } from '../engine/presence.ts';
import type { JsonObject } from '../engine/twin.ts';
import { type Connection, send } from './connection.ts';
import { createDeliveries, type Deliveries } from './deliveries.ts';
import { reasonOf } from './refusals.ts';
import type { Subscription } from './sessions.ts';
import { desiredTopic, methodTopic, parseTopicFilter, type SubscriptionKind } from './topics.ts';

export type DevicePeer = {
  readonly kind: 'device';
  readonly connection: Connection;
  readonly session: Session;
  /** True for a session that outlives the connection (clean session 0). */
  readonly persistent: boolean;
  /** Replaced, never changed. */
  subscriptions: readonly Subscription[];
  /** What to publish when the link is lost; undefined after DISCONNECT [MQTT-3.14.4-3]. */
  will: HubMessage | undefined;
  deliveries: Deliveries | undefined;
  stopDesired: (() => void) | undefined;
  /** The link is gone. */
  detach(): void;
};

/** The highest QoS that was granted for a kind of topic; undefined when the device is not subscribed to it. */
function grantedQos({ session, subscriptions }: DevicePeer, kind: SubscriptionKind): 0 | 1 | undefined {
  let granted: 0 | 1 | undefined;
  for (const { filter, qos } of subscriptions)
    if (parseTopicFilter(filter, session.deviceId) === kind && (granted ?? -1) < qos) granted = qos;
  return granted;
}

function sendDesired(peer: DevicePeer, patch: JsonObject): void {
  const topic = desiredTopic(Number(patch.$version));
  send(peer.connection, {
    cmd: 'publish',
    topic,
    payload: JSON.stringify(patch),
    qos: 0,
    dup: false,
    retain: false,
  });
}

function sendMethod(peer: DevicePeer, { methodName, requestId, body }: MethodCall): void {
  const topic = methodTopic(methodName, requestId);
  send(peer.connection, { cmd: 'publish', topic, payload: body, qos: 0, dup: false, retain: false });
}

function startDeliveries(peer: DevicePeer, qos: 0 | 1): Deliveries {
  const { connection, session } = peer;
  const { engine, log, settings } = connection.context;
  return createDeliveries({
    cloudToDevice: engine.cloudToDevice,
    deviceId: session.deviceId,
    window: settings.deliveryWindow,
    qos,
    log,
    send: (packet) => send(connection, packet),
    isCongested: () => connection.stream.writableLength > settings.maxUnsentBytes,
  });
}

/** Starts and stops what the device's subscriptions ask for. */
export function applySubscriptions(peer: DevicePeer): void {
  if (peer.connection.phase !== peer) return;
  const { session, connection } = peer;
  const { twins } = connection.context.engine;

  const qos = grantedQos(peer, 'devicebound');
  if (peer.deliveries !== undefined) peer.deliveries.setQos(qos);
  else if (qos !== undefined) peer.deliveries = startDeliveries(peer, qos);

  const wantsDesired = grantedQos(peer, 'desired') !== undefined;
  if (wantsDesired && peer.stopDesired === undefined)
    peer.stopDesired = twins.onDesired(session.deviceId, (patch) => sendDesired(peer, patch));
  else if (!wantsDesired) {
    peer.stopDesired?.();
    peer.stopDesired = undefined;
  }

  const wantsMethods = grantedQos(peer, 'methods') !== undefined;
  if (wantsMethods !== (session.methodHandler !== undefined))
    session.onMethod(wantsMethods ? (call) => sendMethod(peer, call) : undefined);
}

/** Publishes the will: the link was lost without DISCONNECT [MQTT-3.1.2-8]. */
function publishWill({ connection, session, will }: DevicePeer): void {
  if (will === undefined) return;
  const { engine, log, afterwards } = connection.context;
  const { deviceId, auth } = session;
  const published = engine.telemetry.append({ deviceId, auth, message: will }).catch((error: unknown) => {
    log.warn({ what: 'Will message lost', deviceId, reason: reasonOf(error) });
  });
  afterwards.add(published);
  void published.then(() => afterwards.delete(published));
}

function detach(peer: DevicePeer): void {
  peer.deliveries?.close();
  peer.stopDesired?.();
  publishWill(peer);
  peer.session.end();
}

export type DevicePeerOptions = Pick<
  DevicePeer,
  'connection' | 'session' | 'persistent' | 'subscriptions' | 'will'
>;

/** Makes the peer; `applySubscriptions` starts it once it is the connection's phase. */
export function createDevicePeer(options: DevicePeerOptions): DevicePeer {
  const peer: DevicePeer = {
    kind: 'device',
    ...options,
    deliveries: undefined,
    stopDesired: undefined,
    detach: () => detach(peer),
  };
  return peer;
}
