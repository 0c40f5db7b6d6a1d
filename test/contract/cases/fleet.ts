/** Golden cases of iotdh.fleet.v1: devices, logs and events. */
import { LogLevel, State } from '@iotdh/proto/agent/v1';
import {
  CollectLogsRequestSchema,
  CollectLogsResponseSchema,
  Connectivity,
  DeviceFilterSchema,
  DeviceReportSchema,
  DeviceSchema,
  EventTopic,
  FleetEventSchema,
  GetDeviceRequestSchema,
  GetDeviceResponseSchema,
  GetLogCollectionRequestSchema,
  GetLogCollectionResponseSchema,
  IssueEnrolmentTokenRequestSchema,
  IssueEnrolmentTokenResponseSchema,
  LabelsSchema,
  ListDevicesRequestSchema,
  ListDevicesResponseSchema,
  ListLogsRequestSchema,
  ListLogsResponseSchema,
  LogCollectionSchema,
  LogCollectionState,
  PurgeDeviceRequestSchema,
  PurgeDeviceResponseSchema,
  RegisterDeviceRequestSchema,
  RegisterDeviceResponseSchema,
  RetireDeviceRequestSchema,
  RetireDeviceResponseSchema,
  UpdateDeviceRequestSchema,
  UpdateDeviceResponseSchema,
  WatchHeartbeatSchema,
  WatchRequestSchema,
  WatchResponseSchema,
} from '@iotdh/proto/fleet/v1';
import { bareSnapshot, bareStateChanged, consent, installed, logEntry, snapshot } from './agent.ts';
import { collectLogs } from './bus.ts';
import { cases } from './cases.ts';
import { at, digest, lasting, uuid } from './examples.ts';
import { assignment, pack } from './fleet-packs.ts';
import { platform } from './update.ts';

const labels = { ring: 'pilot' };
const report = {
  platform,
  agentVersion: '1.0.0',
  snapshot,
  inventory: [installed],
  appliedManifestDigest: digest(0x0c),
  time: at(5),
  evidenceKey: new Uint8Array(91).fill(0x30),
};
const bareReport = { platform: {}, agentVersion: '1', snapshot: bareSnapshot, time: at(5) };
const bareDevice = {
  deviceId: 'ws-0001',
  connectivity: Connectivity.AWAITED,
  createTime: at(-1),
  revision: 1n,
};
const device = {
  ...bareDevice,
  displayName: 'EP lab 3',
  site: 'North wing',
  labels,
  connectivity: Connectivity.DISCONNECTED,
  lastSeenTime: at(6),
  report,
  retireTime: at(7),
};
const collection = {
  deviceId: 'ws-0001',
  request: collectLogs,
  state: LogCollectionState.ARRIVING,
  entries: 1200n,
  createTime: at(0),
};
const event = { cursor: 'c7', time: at(8), deviceId: 'ws-0001' };

export const fleetCases = [
  cases(DeviceReportSchema, { minimal: bareReport, full: report }),
  cases(
    DeviceSchema,
    { minimal: bareDevice, full: device },
    {
      'id-with-space': [{ deviceId: 'ws 1' }, 'device_id: string.pattern'],
      'id-with-slash': [{ deviceId: 'ws/1' }, 'device_id: string.pattern'],
    },
  ),
  cases(DeviceFilterSchema, {
    minimal: {},
    full: {
      deviceIds: ['ws-0001', "a.%_*?!(),:=@$'-"],
      text: 'lab',
      sites: ['North wing'],
      labels,
      states: [State.WAIT_CONFIRM_PATCH, State.WAIT_CONFIRM_BASE],
      connectivity: Connectivity.CONNECTED,
      includeRetired: true,
    },
  }),
  cases(RegisterDeviceRequestSchema, {
    minimal: { deviceId: 'w' },
    full: { deviceId: 'ws-0001', displayName: 'EP lab 3', site: 'North wing', labels, requestId: uuid(91) },
  }),
  cases(RegisterDeviceResponseSchema, {
    full: {
      device: bareDevice,
      enrolmentToken: 'not-a-token-not-a-token-not-a-token',
      tokenExpireTime: at(86_400),
    },
  }),
  cases(IssueEnrolmentTokenRequestSchema, {
    minimal: { deviceId: 'w' },
    full: { deviceId: 'ws-0001', requestId: uuid(94) },
  }),
  cases(IssueEnrolmentTokenResponseSchema, {
    full: { enrolmentToken: 'not-a-token-not-a-token-not-a-token', tokenExpireTime: at(86_400) },
  }),
  cases(GetDeviceRequestSchema, { full: { deviceId: 'ws-0001' } }),
  cases(GetDeviceResponseSchema, { full: { device } }),
  cases(ListDevicesRequestSchema, {
    minimal: {},
    full: { filter: { text: 'lab' }, pageSize: 1000, pageToken: 'p2' },
  }),
  cases(ListDevicesResponseSchema, {
    minimal: {},
    full: { devices: [bareDevice], nextPageToken: 'p3', totalSize: 1500n },
  }),
  cases(LabelsSchema, { minimal: {}, full: { values: labels } }),
  cases(UpdateDeviceRequestSchema, {
    minimal: { deviceId: 'ws-0001' },
    clear: { deviceId: 'ws-0001', displayName: '', site: '', labels: {} },
    full: {
      deviceId: 'ws-0001',
      revision: 4n,
      displayName: 'EP lab 4',
      site: 'South wing',
      labels: { values: labels },
      requestId: uuid(93),
    },
  }),
  cases(UpdateDeviceResponseSchema, { full: { device: bareDevice } }),
  cases(RetireDeviceRequestSchema, { full: { deviceId: 'ws-0001', reason: 'Replaced by ws-0002' } }),
  cases(RetireDeviceResponseSchema, { full: { device: bareDevice } }),
  cases(PurgeDeviceRequestSchema, { full: { deviceId: 'ws-0001' } }),
  cases(PurgeDeviceResponseSchema, {
    minimal: {},
    'none-on-device': { deviceMessages: 0n },
    full: { hubMessages: 50n, deviceMessages: 3n },
  }),
  cases(LogCollectionSchema, { minimal: { ...collection, entries: 0n }, full: collection }),
  cases(ListLogsRequestSchema, {
    minimal: { deviceId: 'ws-0001' },
    full: {
      deviceId: 'ws-0001',
      fromTime: at(0),
      toTime: at(60),
      minLevel: LogLevel.FATAL,
      component: 'carto',
      text: 'disk full',
      collectionId: uuid(63),
      pageSize: 1000,
      pageToken: 'p2',
    },
  }),
  cases(ListLogsResponseSchema, { minimal: {}, full: { entries: [logEntry], nextPageToken: 'p3' } }),
  cases(CollectLogsRequestSchema, { full: { deviceId: 'ws-0001', request: collectLogs } }),
  cases(CollectLogsResponseSchema, { full: { collection } }),
  cases(GetLogCollectionRequestSchema, { full: { collectionId: uuid(63) } }),
  cases(GetLogCollectionResponseSchema, { full: { collection } }),
  cases(FleetEventSchema, {
    minimal: { cursor: 'c1', time: at(0) },
    device: { ...event, kind: { case: 'device', value: bareDevice } },
    assignment: { ...event, kind: { case: 'assignment', value: assignment } },
    pack: { ...event, deviceId: '', kind: { case: 'pack', value: pack } },
    consent: { ...event, kind: { case: 'consent', value: consent } },
    full: { ...event, kind: { case: 'stateChanged', value: bareStateChanged } },
  }),
  cases(WatchRequestSchema, {
    minimal: {},
    full: {
      topics: [EventTopic.STATE, EventTopic.ASSIGNMENT],
      deviceIds: ['ws-0001'],
      afterCursor: 'c7',
      heartbeatInterval: lasting(1),
    },
  }),
  cases(WatchHeartbeatSchema, { minimal: { time: at(0) }, full: { cursor: 'c7', time: at(15) } }),
  cases(WatchResponseSchema, {
    minimal: {},
    heartbeat: { kind: { case: 'heartbeat', value: { time: at(15) } } },
    full: {
      kind: { case: 'event', value: { ...event, kind: { case: 'stateChanged', value: bareStateChanged } } },
    },
  }),
];
