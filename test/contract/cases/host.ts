/** Golden cases of iotdh.host.v1. */
import {
  ActionFailedSchema,
  GetMachineRequestSchema,
  GetMachineResponseSchema,
  GetPackageRequestSchema,
  GetPackageResponseSchema,
  InstallPackagesRequestSchema,
  InstallPackagesResponseSchema,
  PackageSchema,
  RestartMachineRequestSchema,
  RestartMachineResponseSchema,
  RestartServiceRequestSchema,
  RestartServiceResponseSchema,
  SimulatePackagesRequestSchema,
  SimulatePackagesResponseSchema,
} from '@iotdh/proto/host/v1';
import { cases } from './cases.ts';
import { lasting, uuid } from './examples.ts';

const one = { name: 'clamav', version: '1.4.1+dfsg-1~deb12u1' };
const operationId = uuid(81);

export const hostCases = [
  cases(ActionFailedSchema, {
    minimal: { reason: 'it took too long' },
    full: { reason: 'systemctl failed (1)', exitCode: 1, output: 'Unit not found.', interrupted: true },
  }),
  cases(PackageSchema, { minimal: { name: 'a' }, full: one }),
  cases(RestartServiceRequestSchema, { full: { operationId, name: 'carto@lab.service' } }),
  cases(RestartServiceResponseSchema, { minimal: {}, full: { output: 'done' } }),
  cases(RestartMachineRequestSchema, { full: { operationId } }),
  cases(RestartMachineResponseSchema, { full: {} }),
  cases(GetPackageRequestSchema, { full: { name: 'clamav' } }),
  cases(GetPackageResponseSchema, { minimal: {}, full: { version: '1.4.1' } }),
  cases(SimulatePackagesRequestSchema, { full: { packages: [one], timeLimit: lasting(600) } }),
  cases(SimulatePackagesResponseSchema, { minimal: {}, full: { before: [one, { name: 'new' }] } }),
  cases(InstallPackagesRequestSchema, {
    minimal: { operationId, packages: [one], timeLimit: lasting(1) },
    full: { operationId, packages: [one], allowDowngrades: true, timeLimit: lasting(600) },
  }),
  cases(InstallPackagesResponseSchema, { minimal: {}, full: { output: 'Setting up clamav' } }),
  cases(GetMachineRequestSchema, { full: {} }),
  cases(GetMachineResponseSchema, {
    minimal: { bootId: '1', uptime: lasting(0) },
    full: { bootId: uuid(82), uptime: lasting(60), hasPackages: true },
  }),
];
