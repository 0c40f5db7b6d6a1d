/** The SDK's MQTT transports with what its client leaves open: messages from the first instant, and an end that ends. */
import { Mqtt, MqttWs } from 'azure-iot-device-mqtt';
import type { Route } from './bus.ts';
import { sparePacketIds } from './packet-ids.ts';

/** The client is handed a class and makes the instance itself. */
export type TransportHooks = { onMade(transport: Mqtt & Ending): void };

export type Ending = {
  /**
   * Cuts the connection without waiting for anything. `close()` of the client waits for every PUBACK, for ever if one is
   * lost, and for a connection that is being opened.
   */
  cut(): void;
};

/** What the SDK keeps of MQTT.js: the socket of its client, and what tells of messages. Private to it, so everything may be absent. */
type Inside = {
  _mqtt?: {
    _mqttClient?: { end?(force: boolean): void; stream?: { destroy?(): void } };
    prependListener?(name: 'message', listener: OnMessage): void;
    on?(name: 'message', listener: OnMessage): void;
  };
};
type OnMessage = (topic: string, payload: Buffer) => void;

function cut(transport: Mqtt): void {
  const client = (transport as unknown as Inside)._mqtt?._mqttClient;
  client?.end?.(true);
  // A client that is ending already does not listen to a second end.
  client?.stream?.destroy?.();
}

type MethodCallback = Parameters<Mqtt['onDeviceMethod']>[1];

/** `az iot hub invoke-device-method` without a payload may send an empty body, which the SDK would parse as JSON and refuse. */
const tolerant =
  (callback: MethodCallback): MethodCallback =>
  (message, response) =>
    callback(
      message.body?.length === 0 ? Object.assign({}, message, { body: undefined }) : message,
      response,
    );

const commandTopic = /^devices\/[^/]+\/messages\/devicebound\//;

/**
 * The SDK writes each message as a text for its debug log, which nobody reads, and which takes longer than all the rest for a frame
 * of 60 KiB. While it dispatches a command, those bytes have no text; what it hands on are the bytes themselves.
 */
function spareDebugText(transport: Mqtt): void {
  const base = (transport as unknown as Inside)._mqtt;
  base?.prependListener?.('message', (topic, payload) => {
    if (commandTopic.test(topic))
      Object.defineProperty(payload, 'toString', { value: () => '', configurable: true });
  });
  base?.on?.('message', (_topic, payload) => {
    Reflect.deleteProperty(payload, 'toString');
  });
}

export function transportFor(route: Route, hooks: TransportHooks): typeof Mqtt {
  sparePacketIds();
  const Transport: typeof Mqtt = route === 'mqtt' ? Mqtt : MqttWs;
  return class extends Transport implements Ending {
    constructor(...given: ConstructorParameters<typeof Mqtt>) {
      super(...given);
      spareDebugText(this);
      hooks.onMade(this);
    }
    cut(): void {
      cut(this);
    }
    override onDeviceMethod(name: string, callback: MethodCallback): void {
      super.onDeviceMethod(name, tolerant(callback));
    }
  };
}
