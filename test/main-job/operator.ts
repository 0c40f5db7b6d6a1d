/** The operator's side of a test: hands packs in, registers devices, assigns, and sees what the backend knows. */
import { readFile } from 'node:fs/promises';
import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import { BrokerService } from '@iotdh/proto/broker/v1';
import {
  type Assignment,
  AssignmentService,
  AssignmentState,
  CarrierPolicy,
  DeviceService,
  LogService,
  PackService,
  PlanService,
  TrustService,
} from '@iotdh/proto/fleet/v1';
import { trustAuthority } from '../../backend/shared/trust.ts';
import { uploadPack } from '../../cli/src/commands/upload-pack.ts';
import type { Environment } from '../../cli/src/dev/environment.ts';
import type { BuiltPack } from '../../cli/src/pack-build/build-pack.ts';
import { openPack } from '../../cli/src/pack-build/pack-folder.ts';

export type Operator = {
  devices: Client<typeof DeviceService>;
  packs: Client<typeof PackService>;
  assignments: Client<typeof AssignmentService>;
  logs: Client<typeof LogService>;
  plans: Client<typeof PlanService>;
  /** Hands a pack in with all its objects and publishes it; resolves to its id. */
  publish(pack: BuiltPack): Promise<string>;
  assign(
    deviceId: string,
    packId: string,
    fallbackPackId?: string,
    carrierPolicy?: CarrierPolicy,
  ): Promise<string>;
  /** Resolves once the assignment is in this state; asks again until then, also while the backend is away. */
  stateIs(assignmentId: string, state: AssignmentState, signal: AbortSignal): Promise<Assignment>;
  /** Resolves once it has ended. */
  ended(assignmentId: string, signal: AbortSignal): Promise<Assignment>;
};

export async function createOperator(environment: Environment): Promise<Operator> {
  const { token } = JSON.parse(await readFile(environment.operatorTokenFile, 'utf8')) as { token: string };
  const ca = await readFile(environment.caPath, 'utf8');
  // The client of Blob Storage has no setting of its own for it.
  trustAuthority(ca);
  const bearing: Interceptor = (next) => (request) => {
    request.header.set('authorization', `Bearer ${token}`);
    return next(request);
  };
  const transportTo = (baseUrl: string) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', interceptors: [bearing], nodeOptions: { ca } });
  const api = transportTo(environment.apiUrl);
  const devices = createClient(DeviceService, api);
  const packs = createClient(PackService, api);
  const assignments = createClient(AssignmentService, api);
  const trust = createClient(TrustService, api);
  const broker = createClient(BrokerService, transportTo(environment.brokerUrl));

  async function stateIs(
    assignmentId: string,
    state: AssignmentState,
    signal: AbortSignal,
  ): Promise<Assignment> {
    for (;;) {
      signal.throwIfAborted();
      const found = await assignments
        .getAssignment({ assignmentId }, { signal, timeoutMs: 5_000 })
        .catch(() => undefined);
      if (found?.assignment?.state === state) return found.assignment;
      await pause(100, signal);
    }
  }

  return {
    ...{ devices, packs, assignments, logs: createClient(LogService, api) },
    plans: createClient(PlanService, api),
    async publish(built) {
      const { pack } = await uploadPack({
        ...{ fleet: { packs, broker, trust }, keysFolder: environment.keysFolder, nowMs: Date.now },
        ...{ publish: true, parallel: 1, signal: new AbortController().signal, onProgress() {} },
        pack: await openPack(built.folder),
      });
      return pack.packId;
    },
    async assign(deviceId, packId, fallbackPackId = '', carrierPolicy = CarrierPolicy.AUTO) {
      const request = {
        ...{ packId, deviceIds: [deviceId], fallbackPackId, carrierPolicy },
        requestId: crypto.randomUUID(),
      };
      const { assignments: made } = await assignments.createAssignments(request);
      return made[0]!.assignmentId;
    },
    stateIs,
    ended: (assignmentId, signal) => stateIs(assignmentId, AssignmentState.ENDED, signal),
  };
}

/** Between two looks at something that tells nobody when it changes. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}
