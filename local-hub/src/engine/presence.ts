/**
 * Who is connected. One link per device: the newest wins, and ids that kick each other in turns are slowed down. Links
 * end by themselves when their device is deleted or disabled, or when their SAS token expires.
 */
import type { Log } from '../diagnostics.ts';
import type { DeviceAuth } from './authentication.ts';
import type { Clock, Timer } from './clock.ts';
import type { Faults } from './faults.ts';
import { type DeviceConnectivity, neverTime } from './identity.ts';
import { createKickDamping } from './kick-damping.ts';
import { LiveSession, type SessionOwner } from './live-session.ts';
import type { Registry } from './registry.ts';
import type { CloseReason, Link, Session } from './session.ts';
import type { Throttles } from './throttles.ts';

export type {
  CloseReason,
  Link,
  LinkProtocol,
  MethodCall,
  MethodHandler,
  Session,
} from './session.ts';

export type PresenceEvent = 'connected' | 'disconnected' | 'methods';

export type Presence = {
  /**
   * Registers a link. An older link of the same device is closed with `kicked` before this resolves. Resolves late (up to
   * 10 s) for ids that kick each other. Check `session.ended` after the wait. Rejects with HubError `Throttled` when the
   * hub takes no more connections for now.
   */
  connect(auth: DeviceAuth, link: Link): Promise<Session>;
  session(deviceId: string): Session | undefined;
  isConnected(deviceId: string): boolean;
  count(): number;
  /** What the registry shows of a device's connection. */
  connectivity(deviceId: string): Omit<DeviceConnectivity, 'cloudToDeviceMessageCount'>;
  /** Ends a device's connection; false when it has none. */
  close(deviceId: string, reason: CloseReason): boolean;
  /** Ends all connections, also those that wait. */
  closeAll(reason: CloseReason): void;
  /** Calls back when a device connects, disconnects, or changes its method subscription. Returns the way to stop. */
  onChange(listener: (deviceId: string, event: PresenceEvent) => void): () => void;
  /** Stops the timers; connections that wait are closed with `shutdown`. */
  stop(): void;
};

export type PresenceOptions = {
  registry: Pick<Registry, 'record' | 'onChange'>;
  throttles: Pick<Throttles, 'take'>;
  faults: Pick<Faults, 'take' | 'onInject'>;
  clock: Clock;
  log: Log;
};

/** A link that must wait; `go` lets it in, or closes it for a reason. */
type Waiting = { go(refusal?: CloseReason): void };

/** Expiries closer together than this share one timer call. */
const sweepEveryMs = 1000;

/** Creates the list of connections. */
export function createPresence({ registry, throttles, faults, clock, log }: PresenceOptions): Presence {
  const live = new Map<string, LiveSession>();
  /** When a device was connected last, for those that are not now. */
  const past = new Map<string, { updatedMs: number; lastActivityMs: number }>();
  const waiting = new Map<string, Waiting>();
  const listeners = new Set<(deviceId: string, event: PresenceEvent) => void>();
  const damping = createKickDamping(clock);
  let lastId = 0;
  let sweep: Timer | undefined;

  function tell(deviceId: string, event: PresenceEvent): void {
    for (const listener of listeners) listener(deviceId, event);
  }

  function expireAt(expiresAtMs: number | undefined): void {
    if (expiresAtMs === undefined || (sweep !== undefined && sweep.dueMs <= expiresAtMs)) return;
    if (sweep !== undefined) clock.clearTimeout(sweep);
    sweep = clock.setTimeout(closeExpired, Math.max(0, expiresAtMs - clock.now()));
  }

  function closeExpired(): void {
    sweep = undefined;
    const nowMs = clock.now();
    let nextMs: number | undefined;
    for (const session of live.values()) {
      const { expiresAtMs } = session.auth;
      if (expiresAtMs === undefined) continue;
      if (expiresAtMs <= nowMs) session.endWith('expired');
      else nextMs = Math.min(nextMs ?? expiresAtMs, expiresAtMs);
    }
    if (nextMs !== undefined) expireAt(Math.max(nextMs, nowMs + sweepEveryMs));
  }

  /** Why a link may not be registered any more after it waited. */
  function hindrance(auth: DeviceAuth, link: Link): CloseReason | 'gone' | undefined {
    const record = registry.record(auth.deviceId);
    if (record?.generationId !== auth.generationId) return 'deleted';
    if (record.status === 'disabled') return 'disabled';
    if (auth.expiresAtMs !== undefined && auth.expiresAtMs <= clock.now()) return 'expired';
    return link.isOpen?.() === false ? 'gone' : undefined;
  }

  /** Resolves to false when a newer link of the same device arrives during the wait. */
  function damped(deviceId: string, link: Link): Promise<boolean> {
    const overtaken = waiting.get(deviceId);
    if (overtaken === undefined && !live.has(deviceId)) return Promise.resolve(true);
    const delayMs = damping.kick(deviceId);
    overtaken?.go('kicked');
    if (delayMs === 0) return Promise.resolve(true);
    log.warn({
      what: `Connection over ${link.protocol} delayed`,
      deviceId,
      reason: 'several clients use this device id and disconnect each other',
      next: 'Give each client its own device, or find the second process that runs with this id',
    });
    return new Promise((resolve) => {
      const go = (refusal?: CloseReason) => {
        clock.clearTimeout(timer);
        waiting.delete(deviceId);
        if (refusal !== undefined) link.close(refusal);
        resolve(refusal === undefined);
      };
      const timer = clock.setTimeout(go, delayMs);
      waiting.set(deviceId, { go });
    });
  }

  function leave(session: LiveSession): void {
    const { deviceId } = session;
    live.delete(deviceId);
    if (registry.record(deviceId) !== undefined) {
      past.set(deviceId, { updatedMs: clock.now(), lastActivityMs: session.lastActivityMs });
    }
    tell(deviceId, 'disconnected');
  }

  const owner: SessionOwner = {
    now: clock.now,
    left: leave,
    vacated: (deviceId) => waiting.get(deviceId)?.go(),
    methodsChanged: (deviceId) => tell(deviceId, 'methods'),
    expiresAt: expireAt,
  };

  function createSession(auth: DeviceAuth, link: Link, alreadyEnded: boolean): LiveSession {
    lastId += 1;
    return new LiveSession(owner, lastId, auth, link, alreadyEnded);
  }

  function applyFaults(session: LiveSession): void {
    for (const [kind, reason] of [
      ['kick', 'kicked'],
      ['cut-link', 'fault'],
    ] as const) {
      const fault = faults.take(kind, session.deviceId, session.protocol);
      if (fault !== undefined) clock.setTimeout(() => session.endWith(reason), fault.delayMs ?? 0);
    }
  }

  function close(deviceId: string, reason: CloseReason): boolean {
    const session = live.get(deviceId);
    session?.endWith(reason);
    return session !== undefined;
  }

  registry.onChange(({ kind, device }) => {
    if (kind !== 'deleted' && kind !== 'disabled') return;
    close(device.deviceId, kind);
    if (kind === 'deleted') past.delete(device.deviceId);
  });
  faults.onInject(({ kind }) => {
    if (kind === 'kick' || kind === 'cut-link')
      for (const session of [...live.values()]) applyFaults(session);
  });

  return {
    async connect(auth, link) {
      const { deviceId } = auth;
      await throttles.take('connect', 1, deviceId);
      if (!(await damped(deviceId, link))) return createSession(auth, link, true);
      const hindered = hindrance(auth, link);
      if (hindered !== undefined) {
        if (hindered !== 'gone') link.close(hindered);
        return createSession(auth, link, true);
      }
      const older = live.get(deviceId);
      if (older !== undefined) {
        log.info({
          what: `Connection over ${older.protocol} closed`,
          deviceId,
          reason: `a newer one of the same device came over ${link.protocol}`,
        });
        older.endWith('kicked', true);
      }
      const session = createSession(auth, link, false);
      live.set(deviceId, session);
      past.delete(deviceId);
      expireAt(auth.expiresAtMs);
      tell(deviceId, 'connected');
      applyFaults(session);
      return session;
    },
    session: (deviceId) => live.get(deviceId),
    isConnected: (deviceId) => live.has(deviceId),
    count: () => live.size,
    connectivity(deviceId) {
      const session = live.get(deviceId);
      const last = past.get(deviceId);
      const updatedMs = session?.connectedMs ?? last?.updatedMs;
      const activityMs = session?.lastActivityMs ?? last?.lastActivityMs;
      const written = (ms: number | undefined) => (ms === undefined ? neverTime : new Date(ms).toISOString());
      return {
        connectionState: session === undefined ? 'Disconnected' : 'Connected',
        connectionStateUpdatedTime: written(updatedMs),
        lastActivityTime: written(activityMs),
      };
    },
    close,
    closeAll(reason) {
      for (const { go } of [...waiting.values()]) go(reason);
      for (const session of [...live.values()]) session.endWith(reason);
    },
    onChange(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    stop() {
      if (sweep !== undefined) clock.clearTimeout(sweep);
      sweep = undefined;
      for (const { go } of [...waiting.values()]) go('shutdown');
    },
  };
}
