/** Every HTTP path that the hub answers, in one table: who may call it, what handles it, which throttle it counts for. */
import { absent } from './absent.ts';
import type { Access } from './access.ts';
import * as admin from './admin.ts';
import { purgeCommands } from './command-queue.ts';
import { abandonCommand, completeCommand, receiveCommand } from './device-commands.ts';
import { sendEvents } from './device-events.ts';
import * as devices from './devices.ts';
import { invokeMethod } from './direct-methods.ts';
import {
  type EnrollmentHandlers,
  enrollmentHandlers,
  getRegistration,
  queryRegistrations,
  removeRegistration,
} from './enrollments.ts';
import type { Handler } from './exchange.ts';
import { beginUpload, completeUpload } from './file-uploads.ts';
import { healthy, ready } from './health.ts';
import { queryDevices } from './queries.ts';
import { register, registrationStatus } from './registration.ts';
import type { Method, Route } from './route.ts';
import { getTwin, patchTwin, putTwin } from './twins.ts';

const read: Access = { right: 'RegistryRead' };
const write: Access = { right: 'RegistryWrite' };
const service: Access = { right: 'ServiceConnect' };

type Options = Pick<Route, 'throttle' | 'maxBodyBytes' | 'versioned'>;

function row(method: Method, path: string, access: Access, handle: Handler, options: Options = {}): Route {
  return { method, path, access, handle, ...options };
}

const registry = { throttle: 'registry' } as const;
const bulk = { throttle: 'registry', maxBodyBytes: 1_048_576 } as const;
const query = { throttle: 'query' } as const;
/** Desired properties and tags at their limits, escaped as JSON may be. */
const twinUpdate = { maxBodyBytes: 262_144 };
const twinRead = { throttle: 'twinRead' } as const;
/** 128 KiB of payload, escaped as JSON may be. */
const method = { maxBodyBytes: 786_432 };
/** 256 KiB of messages in base64, with their properties. */
const events = { maxBodyBytes: 524_288 };

const serviceSide = [
  row('GET', '/devices', read, devices.listDevices, registry),
  row('POST', '/devices', write, devices.bulkDevices, bulk),
  row('POST', '/devices/query', service, queryDevices, query),
  row('GET', '/devices/{deviceId}', read, devices.getDevice, registry),
  row('PUT', '/devices/{deviceId}', write, devices.putDevice, registry),
  row('DELETE', '/devices/{deviceId}', write, devices.deleteDevice, registry),
  row('DELETE', '/devices/{deviceId}/commands', service, purgeCommands),
  row('GET', '/statistics/devices', read, devices.registryStatistics),
  row('GET', '/statistics/service', service, devices.serviceStatistics),
  row('GET', '/twins/{deviceId}', service, getTwin, twinRead),
  row('PATCH', '/twins/{deviceId}', service, patchTwin, twinUpdate),
  row('PUT', '/twins/{deviceId}', service, putTwin, twinUpdate),
  row('POST', '/twins/{deviceId}/methods', service, invokeMethod, method),
];

const commands = '/devices/{deviceId}/messages/devicebound';
const uploads = '/devices/{deviceId}/files';

const deviceSide = [
  row('POST', '/devices/{deviceId}/messages/events', 'device', sendEvents, events),
  row('GET', commands, 'device', receiveCommand),
  row('DELETE', `${commands}/{lockToken}`, 'device', completeCommand),
  row('POST', `${commands}/{lockToken}/abandon`, 'device', abandonCommand),
  row('POST', uploads, 'device', beginUpload),
  row('POST', `${uploads}/notifications`, 'device', completeUpload),
  row('POST', `${uploads}/notifications/{correlationId}`, 'device', completeUpload),
];

function enrollmentRows(name: 'enrollments' | 'enrollmentGroups', handlers: EnrollmentHandlers): Route[] {
  const one = `/${name}/{enrollmentId}`;
  return [
    row('POST', `/${name}/query`, read, handlers.query),
    row('POST', `/${name}`, write, handlers.bulk),
    row('GET', one, read, handlers.get),
    row('PUT', one, write, handlers.put),
    row('DELETE', one, write, handlers.remove),
    // Keys are shown only to those who could change them.
    row('POST', `${one}/attestationmechanism`, write, handlers.attestation),
  ];
}

const provisioning = [
  ...enrollmentRows(
    'enrollments',
    enrollmentHandlers('enrollments', (services) => services.provisioning.individuals),
  ),
  ...enrollmentRows(
    'enrollmentGroups',
    enrollmentHandlers('enrollmentGroups', (services) => services.provisioning.groups),
  ),
  row('GET', '/registrations/{registrationId}', read, getRegistration),
  row('DELETE', '/registrations/{registrationId}', write, removeRegistration),
  row('POST', '/registrations/{registrationId}/query', read, queryRegistrations),
  // Provisioning checks these devices itself, by their enrollments.
  row('PUT', '/{scopeId}/registrations/{registrationId}/register', 'anyone', register),
  row(
    'GET',
    '/{scopeId}/registrations/{registrationId}/operations/{operationId}',
    'anyone',
    registrationStatus,
  ),
];

const jobs = absent('jobs');
const configurations = absent('automatic device management (configurations)');
const modules = absent('module identities');
const digitalTwins = absent('the digital twin API; use the device twin');

const notImplemented = [
  row('GET', '/jobs', service, jobs),
  row('POST', '/jobs/create', service, jobs),
  row('GET', '/jobs/v2/query', service, jobs),
  row('GET', '/jobs/{jobId}', service, jobs),
  row('DELETE', '/jobs/{jobId}', service, jobs),
  row('GET', '/jobs/v2/{jobId}', service, jobs),
  row('PUT', '/jobs/v2/{jobId}', service, jobs),
  row('POST', '/jobs/v2/{jobId}/cancel', service, jobs),
  row('GET', '/configurations', service, configurations),
  row('POST', '/configurations/testQueries', service, configurations),
  row('GET', '/configurations/{configurationId}', service, configurations),
  row('PUT', '/configurations/{configurationId}', service, configurations),
  row('DELETE', '/configurations/{configurationId}', service, configurations),
  row('POST', '/devices/{deviceId}/applyConfigurationContent', service, configurations),
  row('GET', '/devices/{deviceId}/modules', read, modules),
  row('GET', '/devices/{deviceId}/modules/{moduleId}', read, modules),
  row('PUT', '/devices/{deviceId}/modules/{moduleId}', write, modules),
  row('DELETE', '/devices/{deviceId}/modules/{moduleId}', write, modules),
  row('GET', '/twins/{deviceId}/modules/{moduleId}', service, modules),
  row('PATCH', '/twins/{deviceId}/modules/{moduleId}', service, modules),
  row('PUT', '/twins/{deviceId}/modules/{moduleId}', service, modules),
  row('POST', '/twins/{deviceId}/modules/{moduleId}/methods', service, modules),
  row('GET', '/digitaltwins/{deviceId}', service, digitalTwins),
  row('PATCH', '/digitaltwins/{deviceId}', service, digitalTwins),
  row('POST', '/digitaltwins/{deviceId}/commands/{command}', service, digitalTwins),
];

const own = { versioned: false };

const hubItself = [
  row('GET', '/healthz', 'anyone', healthy, own),
  row('GET', '/readyz', 'anyone', ready, own),
  row('GET', '/local-hub/faults', 'admin', admin.listFaults, own),
  row('POST', '/local-hub/faults', 'admin', admin.injectFault, own),
  row('DELETE', '/local-hub/faults', 'admin', admin.clearFaults, own),
  row('DELETE', '/local-hub/faults/{faultId}', 'admin', admin.clearFault, own),
  row('GET', '/local-hub/metering', 'admin', admin.metering, own),
  row('GET', '/local-hub/connections', 'admin', admin.connections, own),
  row('GET', '/local-hub/authorities', 'admin', admin.listAuthorities, own),
  row('PUT', '/local-hub/authorities/{name}', 'admin', admin.addAuthority, own),
  row('DELETE', '/local-hub/authorities/{name}', 'admin', admin.removeAuthority, own),
  row('POST', '/local-hub/restart', 'admin', admin.restart, own),
];

export const routes: readonly Route[] = [
  ...serviceSide,
  ...deviceSide,
  ...provisioning,
  ...notImplemented,
  ...hubItself,
];
