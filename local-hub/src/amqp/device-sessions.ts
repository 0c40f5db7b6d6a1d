/**
 * The devices on one AMQP connection. A device is connected while it has a link; several devices may share a connection,
 * as gateways and pooling SDKs do. When presence ends a device, its links are detached with the reason.
 */
import type { DeviceAuth } from '../engine/authentication.ts';
import type { CloseReason, LinkProtocol, Presence, Session } from '../engine/presence.ts';
import { type AmqpError, closingError, expectedError, toAmqpError } from './errors.ts';

/** What presence needs of a link of a device. */
export type DeviceLink = {
  close(error: AmqpError): void;
};

type Entry = {
  links: Set<DeviceLink>;
  session: Promise<Session> | undefined;
  current: Session | undefined;
  ended: boolean;
};

export type DeviceSessions = {
  /**
   * Registers a link of a device. `ready` is called when the device counts as connected (late, when newer and older
   * connections kick each other), and never when the link has left before.
   */
  enter(auth: DeviceAuth, link: DeviceLink, ready: (session: Session) => void): void;
  leave(deviceId: string, link: DeviceLink): void;
  /** A new token of a device. */
  renew(auth: DeviceAuth): void;
  readonly count: number;
};

export type DeviceSessionsOptions = {
  presence: Presence;
  protocol: LinkProtocol;
  remote: string;
  isOpen(): boolean;
  /** Cuts the connection without a word, as a broken network does. */
  cut(): void;
  onError(error: unknown): void;
};

export function createDeviceSessions(options: DeviceSessionsOptions): DeviceSessions {
  const { presence, protocol, remote } = options;
  const entries = new Map<string, Entry>();

  function closeDevice(deviceId: string, entry: Entry, reason: CloseReason): void {
    if (reason === 'fault') options.cut();
    if (entry.ended) return;
    entry.ended = true;
    if (entries.get(deviceId) === entry) entries.delete(deviceId);
    for (const link of [...entry.links]) link.close(closingError(reason));
  }

  function connect(auth: DeviceAuth): Entry {
    const { deviceId } = auth;
    const entry: Entry = { links: new Set(), session: undefined, current: undefined, ended: false };
    entries.set(deviceId, entry);
    entry.session = presence.connect(auth, {
      protocol,
      remote,
      close: (reason) => closeDevice(deviceId, entry, reason),
      isOpen: () => !entry.ended && options.isOpen(),
    });
    return entry;
  }

  async function whenReady(entry: Entry, link: DeviceLink, ready: (session: Session) => void): Promise<void> {
    try {
      const session = await entry.session;
      if (session === undefined) return;
      entry.current = session;
      // The last link may have left, or a newer connection may have come, while this one waited.
      if (entry.ended) session.end();
      else if (entry.links.has(link)) ready(session);
    } catch (error) {
      if (expectedError(error) === undefined) options.onError(error);
      else link.close(toAmqpError(error));
    }
  }

  return {
    enter(auth, link, ready) {
      const entry = entries.get(auth.deviceId) ?? connect(auth);
      entry.links.add(link);
      void whenReady(entry, link, ready);
    },
    leave(deviceId, link) {
      const entry = entries.get(deviceId);
      if (!entry?.links.delete(link) || entry.links.size > 0) return;
      entries.delete(deviceId);
      entry.ended = true;
      entry.current?.end();
    },
    renew(auth) {
      entries.get(auth.deviceId)?.current?.renew(auth);
    },
    get count() {
      return entries.size;
    },
  };
}
