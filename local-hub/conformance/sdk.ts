/**
 * Microsoft's SDKs, unmodified, pointed at a hub that does not listen on port 443 and whose authority they do not know: the
 * recipes of local-hub/README.md as functions.
 */
import { Agent, type RequestOptions } from 'node:https';
import type { Duplex } from 'node:stream';
import {
  type CheckpointStore,
  EventHubConsumerClient,
  type EventHubConsumerClientOptions,
} from '@azure/event-hubs';
import common from 'azure-iot-common';
import iot from 'azure-iot-device';
import { Mqtt } from 'azure-iot-device-mqtt';
import iothub from 'azure-iothub';
import serviceAmqp from 'azure-iothub/dist/amqp.js';
import sas from 'azure-iothub/dist/common-core/shared_access_signature.js';
import http from 'azure-iothub/dist/common-http/http.js';
import rest from 'azure-iothub/dist/common-http/rest_api_client.js';
import type { Endpoint } from './endpoint.ts';

const { ExponentialBackOffWithJitter, NoRetry } = common;
const hourMs = 3_600_000;

/** Sends every request to the hub's port, for SDKs that have 443 built in or take `host:port` for a host name. */
export class PortMapAgent extends Agent {
  readonly #port: number;

  constructor(port: number) {
    super({ keepAlive: true });
    this.#port = port;
  }

  override createConnection(
    options: RequestOptions,
    callback?: (error: Error | null, stream: Duplex) => void,
  ): Duplex | null | undefined {
    const mapped = { ...options, host: 'localhost', port: this.#port, servername: 'localhost' };
    return super.createConnection(mapped, callback);
  }
}

/** The vendor's `setOptions` replaces the agent in the constructors of Registry, Client and JobClient; here it does nothing. */
class MappedRest extends rest.RestApiClient {
  override setOptions(): void {}
}

/** What the clients of services need to know of a hub. */
export type ServiceEndpoint = Pick<Endpoint, 'port' | 'hostName' | 'policy' | 'onStop'>;

/** The client under Registry, JobClient and Client, for calls that none of them offers. */
export function createRest(
  hub: ServiceEndpoint,
  policy = 'iothubowner',
  config: rest.RestApiClient.TransportConfig = serviceConfig(hub, policy),
): rest.RestApiClient {
  const base = new http.Http();
  const agent = new PortMapAgent(hub.port);
  base.setOptions({ http: { agent } });
  hub.onStop(() => agent.destroy());
  return new MappedRest(config, 'conformance', base);
}

function serviceConfig(hub: ServiceEndpoint, policy: string) {
  const { name, key } = hub.policy(policy);
  const expiry = Math.floor((Date.now() + hourMs) / 1000);
  const sharedAccessSignature = sas.SharedAccessSignature.create(hub.hostName, name, key, expiry);
  return { host: hub.hostName, keyName: name, sharedAccessSignature };
}

export function createRegistry(hub: Endpoint, policy = 'iothubowner'): iothub.Registry {
  return new iothub.Registry(serviceConfig(hub, policy), createRest(hub, policy));
}

/** A registry that shows this token, whatever it is worth. */
export function createRegistryWith(hub: Endpoint, sharedAccessSignature: string): iothub.Registry {
  const config = { host: hub.hostName, sharedAccessSignature };
  return new iothub.Registry(config, createRest(hub, undefined, config));
}

export function createJobs(hub: Endpoint): iothub.JobClient {
  return new iothub.JobClient(createRest(hub));
}

/** The service client with direct methods. It does not retry, so that errors come at once. */
export function createService(hub: ServiceEndpoint, policy = 'iothubowner'): iothub.Client {
  const transport = new serviceAmqp.Amqp(serviceConfig(hub, policy));
  const client = new iothub.Client(transport, createRest(hub, policy));
  client.setRetryPolicy(new NoRetry());
  hub.onStop(() => settled(client.close()));
  return client;
}

/** What a transport of azure-iot-device is to its client. */
export type Transport = Parameters<typeof iot.Client.fromConnectionString>[1];

/** The SDK's default policy, until it is ended: attempts that are under way would outlive their test by minutes. */
class EndingRetry extends ExponentialBackOffWithJitter {
  readonly #ending = new AbortController();

  end(): void {
    this.#ending.abort();
  }

  override shouldRetry(error: Error): boolean {
    return !this.#ending.signal.aborted && super.shouldRetry(error);
  }
}

export type DeviceOptions = {
  /** Default MQTT. */
  transport?: Transport;
  /** Default false: errors come at once, and a dropped connection stays down. */
  retry?: boolean;
  /** Further options of the SDK. */
  sdk?: iot.DeviceClientOptions;
  /** Default: of the device's primary key. */
  connectionString?: string;
};

/** A device's client, not yet open. It is closed when the hub is. */
export async function createDevice(
  hub: Endpoint,
  deviceId: string,
  options: DeviceOptions = {},
): Promise<iot.Client> {
  const { transport = Mqtt, retry = false } = options;
  const given = options.connectionString ?? hub.deviceConnectionString(deviceId);
  // Over WebSocket the SDK appends `:443`, so the name must have no port; the agent maps that one to the hub's.
  const overWebSocket = transport.name.endsWith('Ws');
  const connectionString = overWebSocket ? given.replace(hub.hostName, 'localhost') : given;
  const client = iot.Client.fromConnectionString(connectionString, transport);
  const policy = retry ? new EndingRetry() : new NoRetry();
  client.setRetryPolicy(policy);
  const agent = new PortMapAgent(hub.port);
  await client.setOptions({
    ca: hub.caPem,
    // Over HTTPS the SDK polls; without a policy its `setOptions` never calls back.
    http: { agent, receivePolicy: { manualPolling: true, drain: false } },
    mqtt: { webSocketAgent: agent },
    amqp: { webSocketAgent: agent },
    ...options.sdk,
  });
  // The SDK reports a broken link here as well as to the caller; without a listener that would end the process.
  client.on('error', () => {});
  hub.onStop(async () => {
    if (policy instanceof EndingRetry) policy.end();
    client.removeAllListeners('disconnect');
    await settled(client.close());
    agent.destroy();
  });
  return client;
}

export async function openDevice(
  hub: Endpoint,
  deviceId: string,
  options: DeviceOptions = {},
): Promise<iot.Client> {
  const client = await createDevice(hub, deviceId, options);
  await client.open();
  return client;
}

/** An Event Hubs consumer of the hub's built-in endpoint over the plain port, with quick retries. */
export function createConsumer(
  hub: Endpoint,
  options: EventHubConsumerClientOptions & {
    store?: CheckpointStore;
    group?: string;
    connectionString?: string;
  } = {},
): EventHubConsumerClient {
  const { store, group = '$Default', connectionString = hub.eventHubConnectionString(), ...rest } = options;
  const quick = { retryOptions: { retryDelayInMs: 100, maxRetries: 20 }, ...rest };
  const client =
    store === undefined
      ? new EventHubConsumerClient(group, connectionString, quick)
      : new EventHubConsumerClient(group, connectionString, store, quick);
  hub.onStop(() => settled(client.close()));
  return client;
}

/** Waits for a goodbye that may fail or, against a hub that is gone, never come. */
async function settled(goodbye: Promise<unknown>): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, 500);
  void goodbye.then(
    () => resolve(),
    () => resolve(),
  );
  await promise;
  clearTimeout(timer);
}
