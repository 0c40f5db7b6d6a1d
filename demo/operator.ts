/** What the operator's side of the demo sees and does, over the fleet API. */
import { createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { type Device, DeviceService, EventService, type FleetEvent } from '@iotdh/proto/fleet/v1';
import { createSeen, type Seen } from './seen.ts';

export type OperatorOptions = {
  apiUrl: string;
  token: string;
  caPem: string;
  /** Told of everything that happens. */
  onEvent(event: FleetEvent): void;
  signal: AbortSignal;
};

export type Operator = {
  /** Resolves when nothing is missed any more. */
  readonly watching: Promise<void>;
  /** Everything that happened since then, in the backend's order. */
  readonly events: Seen<FleetEvent>;
  /** Resolves to the token with which the device enrols, once. */
  register(deviceId: string, site: string): Promise<string>;
  devices(): Promise<Device[]>;
};

export function createOperator({ apiUrl, token, caPem, onEvent, signal }: OperatorOptions): Operator {
  const bearing: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  const transport = createConnectTransport({
    ...{ baseUrl: apiUrl, httpVersion: '1.1', interceptors: [bearing] },
    nodeOptions: { ca: caPem },
  });
  const deviceService = createClient(DeviceService, transport);
  const eventService = createClient(EventService, transport);
  const events = createSeen<FleetEvent>(onEvent);

  const watching = Promise.withResolvers<void>();
  async function watch(): Promise<void> {
    for await (const { kind } of eventService.watch({}, { signal })) {
      watching.resolve();
      if (kind.case === 'event') events.add(kind.value);
    }
    throw new Error('the stream of events ended');
  }
  watch().catch((error: unknown) => {
    const reason = signal.aborted ? signal.reason : error;
    watching.reject(reason);
    events.fail(reason);
  });

  return {
    watching: watching.promise,
    events,
    async register(deviceId, site) {
      const requestId = crypto.randomUUID();
      const { enrolmentToken } = await deviceService.registerDevice(
        { deviceId, site, requestId },
        { signal },
      );
      return enrolmentToken;
    },
    async devices() {
      return (await deviceService.listDevices({}, { signal })).devices;
    },
  };
}
