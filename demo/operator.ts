/** What the operator's side of the demo sees and does, over the fleet API. */
import { createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import {
  AssignmentService,
  type Device,
  DeviceService,
  EventService,
  type FleetEvent,
} from '@iotdh/proto/fleet/v1';
import { createSeen, type Seen } from './seen.ts';

export type OperatorOptions = { apiUrl: string; token: string; caPem: string; signal: AbortSignal };

export type Operator = {
  /** Everything that happened since the beginning, in the backend's order. */
  readonly events: Seen<FleetEvent>;
  /** Resolves to the token with which the device enrols, once. */
  register(deviceId: string, site: string): Promise<string>;
  /** Resolves to the assignment's id. */
  assign(deviceId: string, packId: string, fallbackPackId?: string): Promise<string>;
  devices(): Promise<Device[]>;
};

export function createOperator({ apiUrl, token, caPem, signal }: OperatorOptions): Operator {
  const bearing: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  const transport = createConnectTransport({
    ...{ baseUrl: apiUrl, httpVersion: '1.1', interceptors: [bearing] },
    nodeOptions: { ca: caPem },
  });
  const deviceService = createClient(DeviceService, transport);
  const assignmentService = createClient(AssignmentService, transport);
  const eventService = createClient(EventService, transport);
  const events = createSeen<FleetEvent>();

  async function watch(): Promise<void> {
    for await (const { kind } of eventService.watch({}, { signal })) {
      if (kind.case === 'event') events.add(kind.value);
    }
    throw new Error('the stream of events ended');
  }
  watch().catch((error: unknown) => events.fail(signal.aborted ? signal.reason : error));

  return {
    events,
    async register(deviceId, site) {
      const requestId = crypto.randomUUID();
      const { enrolmentToken } = await deviceService.registerDevice(
        { deviceId, site, requestId },
        { signal },
      );
      return enrolmentToken;
    },
    async assign(deviceId, packId, fallbackPackId = '') {
      const request = { packId, deviceIds: [deviceId], fallbackPackId, requestId: crypto.randomUUID() };
      const { assignments } = await assignmentService.createAssignments(request, { signal });
      return assignments[0]!.assignmentId;
    },
    async devices() {
      return (await deviceService.listDevices({}, { signal })).devices;
    },
  };
}
