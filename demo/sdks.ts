/** Microsoft's SDKs as the demo uses them: nothing here knows that the hub is not Azure's. */
import { EventHubConsumerClient, earliestEventPosition } from '@azure/event-hubs';
import common from 'azure-iot-common';
import iot from 'azure-iot-device';
import { Mqtt } from 'azure-iot-device-mqtt';
import iothub from 'azure-iothub';

const { SharedAccessSignature, ConnectionString, anHourFromNow, NoRetry } = common;

/** A queue of texts that somebody waits for. */
function createInbox(): { add(text: string): void; next(count: number): Promise<string[]> } {
  const texts: string[] = [];
  let wake = () => {};
  return {
    add(text) {
      texts.push(text);
      wake();
    },
    async next(count) {
      while (texts.length < count) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
      return texts.splice(0, count);
    },
  };
}

export type Device = {
  send(text: string): Promise<void>;
  next(count: number): Promise<string[]>;
  close(): Promise<void>;
};

/** A workstation over MQTT; it answers the method `cloudtodevicepurge`. */
export async function connectDevice(connectionString: string, ca: string): Promise<Device> {
  const client = iot.Client.fromConnectionString(connectionString, Mqtt);
  await client.setOptions({ ca });
  await client.open();
  const inbox = createInbox();
  client.on('message', (message) => {
    inbox.add(message.getData().toString());
    client.complete(message, () => {});
  });
  client.onDeviceMethod('cloudtodevicepurge', (_request, response) => {
    response.send(200, { purged: 0 }, () => {});
  });
  return {
    async send(text) {
      await client.sendEvent(new iot.Message(text));
    },
    next: inbox.next,
    async close() {
      client.removeAllListeners();
      await client.close();
    },
  };
}

export type Service = { send(deviceId: string, text: string): Promise<void>; close(): Promise<void> };

/** The cloud side over AMQP. */
export async function openService(connectionString: string): Promise<Service> {
  const client = iothub.Client.fromConnectionString(connectionString);
  client.setRetryPolicy(new NoRetry());
  await client.open();
  return {
    async send(deviceId, text) {
      await client.send(deviceId, new common.Message(text));
    },
    async close() {
      await client.close();
    },
  };
}

/** Reads what devices send from now on. */
export async function openEvents(connectionString: string) {
  const inbox = createInbox();
  const client = new EventHubConsumerClient('$Default', connectionString);
  const subscription = client.subscribe(
    {
      async processEvents(events) {
        for (const event of events) inbox.add(String(event.body));
      },
      async processError(error) {
        console.error(error.message);
      },
    },
    { startPosition: earliestEventPosition },
  );
  return {
    next: inbox.next,
    async close() {
      await subscription.close();
      await client.close();
    },
  };
}

/** What `az iot hub invoke-device-method` does: one REST call to the hub. */
export async function callMethod(
  connectionString: string,
  deviceId: string,
  methodName: string,
): Promise<unknown> {
  const fields = ConnectionString.parse(connectionString);
  const hostName = fields.HostName ?? '';
  const token = SharedAccessSignature.create(
    hostName,
    fields.SharedAccessKeyName ?? '',
    fields.SharedAccessKey ?? '',
    anHourFromNow(),
  );
  const response = await fetch(`https://${hostName}/twins/${deviceId}/methods?api-version=2021-04-12`, {
    method: 'POST',
    headers: { authorization: token.toString(), 'content-type': 'application/json' },
    body: JSON.stringify({ methodName, responseTimeoutInSeconds: 10, payload: {} }),
  });
  if (!response.ok)
    throw new Error(`${methodName} on ${deviceId}: ${response.status} ${await response.text()}`);
  return response.json();
}
