/**
 * A well-behaved device that works on while others misbehave: every round trip sends a message to the hub and receives one from the
 * cloud. Whoever disturbs it has found a defect.
 */
import type { Duplex } from 'node:stream';
import { createRawClient } from '../src/mqtt/testing/raw-client.ts';
import { FuzzFailure } from './drive.ts';

export type HealthyDeviceOptions = {
  hostName: string;
  deviceId: string;
  token: string;
  open(): Duplex;
  /** Sends a cloud-to-device message to this device. */
  sendFromCloud(body: string): Promise<void>;
  /** How long a round trip may take, ms. */
  patienceMs: number;
};

export type HealthyDevice = {
  /** Round trips so far. */
  readonly roundTrips: number;
  /** Sends one message up and receives one down. Throws FuzzFailure when either is lost, changed or late. */
  roundTrip(): Promise<void>;
  close(): void;
};

export async function connectHealthyDevice(options: HealthyDeviceOptions): Promise<HealthyDevice> {
  const { hostName, deviceId, token, patienceMs } = options;
  const client = createRawClient(options.open());
  const within = async <T>(what: string, promise: Promise<T>): Promise<T> => {
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(
      () => late.reject(new FuzzFailure(`the healthy device waited ${patienceMs} ms for ${what}`)),
      patienceMs,
    );
    try {
      return await Promise.race([promise, late.promise]);
    } catch (error) {
      throw error instanceof FuzzFailure ? error : new FuzzFailure(`the healthy device: ${String(error)}`);
    } finally {
      clearTimeout(timer);
    }
  };
  const { returnCode } = await within(
    'CONNACK',
    client.connect({
      clientId: deviceId,
      username: `${hostName}/${deviceId}/?api-version=2021-04-12`,
      password: Buffer.from(token),
      keepalive: 0,
    }),
  );
  if (returnCode !== 0) throw new FuzzFailure(`the healthy device was refused with ${returnCode}`);
  await within('SUBACK', client.subscribe(`devices/${deviceId}/messages/devicebound/#`));

  let roundTrips = 0;
  return {
    get roundTrips() {
      return roundTrips;
    },
    async roundTrip() {
      const messageId = (roundTrips % 65_535) + 1;
      client.publish(`devices/${deviceId}/messages/events/`, 'up', { qos: 1, messageId });
      await within('PUBACK', client.expect('puback'));
      const body = `down ${roundTrips}`;
      const arrival = client.expect('publish');
      // Whoever waits for it hears of a failure; nobody may be waiting yet.
      arrival.catch(() => {});
      await within('the cloud to send', options.sendFromCloud(body));
      const message = await within('a message of the cloud', arrival);
      if (message.payload.toString() !== body) {
        throw new FuzzFailure(`the healthy device received "${message.payload}" instead of "${body}"`);
      }
      client.send({ cmd: 'puback', messageId: message.messageId ?? 0 });
      roundTrips += 1;
    },
    close: () => client.vanish(),
  };
}
