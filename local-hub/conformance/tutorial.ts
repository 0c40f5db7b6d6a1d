/** What a beginner writes: only connection strings from the environment, only factories of the SDKs, nothing of ours. */
import { EventHubConsumerClient, earliestEventPosition } from '@azure/event-hubs';
import common from 'azure-iot-common';
import iot from 'azure-iot-device';
import { Mqtt } from 'azure-iot-device-mqtt';
import iothub from 'azure-iothub';

const {
  DEVICE_CONNECTION_STRING = '',
  SERVICE_CONNECTION_STRING = '',
  EVENT_HUB_CONNECTION_STRING = '',
} = process.env;

try {
  const device = iot.Client.fromConnectionString(DEVICE_CONNECTION_STRING, Mqtt);
  await device.open();
  const command = new Promise<string>((resolve) => {
    device.on('message', (message) => {
      device.complete(message, () => {});
      resolve(message.getData().toString());
    });
  });
  const service = iothub.Client.fromConnectionString(SERVICE_CONNECTION_STRING);
  await service.open();
  await service.send('tutorial', new common.Message('hello device'));

  const consumer = new EventHubConsumerClient('$Default', EVENT_HUB_CONNECTION_STRING);
  const event = new Promise<string>((resolve) => {
    consumer.subscribe(
      {
        processEvents: async ([first]) => {
          if (first) resolve(String(first.body));
        },
        processError: async (error) => console.error(error.message),
      },
      { startPosition: earliestEventPosition },
    );
  });
  await device.sendEvent(new iot.Message('"hello hub"'));
  console.log(JSON.stringify({ command: await command, event: await event }));
  process.exit(0);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}
