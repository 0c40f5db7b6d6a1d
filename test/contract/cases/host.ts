/** Golden cases of iotdh.host.v1. */
import {
  ActionFailedSchema,
  BeginSlotSchema,
  ChangeSlotsRequestSchema,
  ChangeSlotsResponseSchema,
  FinishSlotSchema,
  GetMachineRequestSchema,
  GetMachineResponseSchema,
  GetPackageRequestSchema,
  GetPackageResponseSchema,
  GetSlotPartitionRequestSchema,
  GetSlotPartitionResponseSchema,
  GetSlotsRequestSchema,
  GetSlotsResponseSchema,
  GiveUpSlotSchema,
  InstallPackagesRequestSchema,
  InstallPackagesResponseSchema,
  InstallWindowsUpdatesRequestSchema,
  InstallWindowsUpdatesResponseSchema,
  KeepSlotSchema,
  PackageSchema,
  RestartMachineRequestSchema,
  RestartMachineResponseSchema,
  RestartServiceRequestSchema,
  RestartServiceResponseSchema,
  SimulatePackagesRequestSchema,
  SimulatePackagesResponseSchema,
  Slot,
  SlotContentSchema,
  SlotTrialSchema,
  SlotVerdictSchema,
  UninstallWindowsUpdatesRequestSchema,
  UninstallWindowsUpdatesResponseSchema,
  WindowsBuildSchema,
  WindowsUpdatesSchema,
  WriteSlotImageRequestSchema,
  WriteSlotImageResponseSchema,
} from '@iotdh/proto/host/v1';
import { cases } from './cases.ts';
import { lasting, uuid } from './examples.ts';

const one = { name: 'clamav', version: '1.4.1+dfsg-1~deb12u1' };
const operationId = uuid(81);
const updateIds = [uuid(83), uuid(84)];
const build = { buildTag: '10.0.26100.2314', kbArticles: ['KB5046617'] };
const content = 'ab'.repeat(32);
const trial = { job: 'arm-7', content, armedIn: uuid(82) };
const finish = { content, partitions: ['boot', 'system'] };

export const hostCases = [
  cases(ActionFailedSchema, {
    minimal: { reason: 'it took too long' },
    full: {
      ...{ reason: 'systemctl failed (1)', exitCode: 1, output: 'Unit not found.', interrupted: true },
      updateIds,
    },
  }),
  cases(
    PackageSchema,
    { minimal: { name: 'a' }, full: one, of_another_architecture: { name: 'libc6:i386', version: '2.36-9' } },
    { two_architectures: [{ name: 'libc6:i386:amd64' }, 'name: string.pattern'] },
  ),
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
    full: {
      ...{ bootId: uuid(82), uptime: lasting(60), hasPackages: true },
      ...{ hasWindowsUpdate: true, hasSlots: true, onBattery: true },
    },
  }),
  cases(WindowsBuildSchema, {
    minimal: { buildTag: build.buildTag },
    full: build,
  }),
  cases(WindowsUpdatesSchema, { full: { updateIds } }),
  cases(InstallWindowsUpdatesRequestSchema, {
    full: { operationId, selection: { case: 'build', value: build }, timeLimit: lasting(7200) },
    updates: { operationId, selection: { case: 'updates', value: { updateIds } }, timeLimit: lasting(7200) },
  }),
  cases(InstallWindowsUpdatesResponseSchema, {
    minimal: {},
    full: { updateIds, restartRequired: true, output: 'build 10.0.26100.2314' },
  }),
  cases(UninstallWindowsUpdatesRequestSchema, {
    full: { operationId, updates: { updateIds }, timeLimit: lasting(7200) },
  }),
  cases(UninstallWindowsUpdatesResponseSchema, {
    minimal: {},
    full: { updateIds, restartRequired: true, output: 'removed' },
  }),
  cases(SlotTrialSchema, { full: trial }),
  cases(SlotContentSchema, {
    minimal: { content },
    full: { content, partitions: ['boot'] },
    whole: { content, whole: true },
  }),
  cases(SlotVerdictSchema, { minimal: { job: 'arm-6' }, full: { job: 'arm-6', proven: true } }),
  cases(GetSlotsRequestSchema, { full: {} }),
  cases(GetSlotsResponseSchema, {
    minimal: { booted: Slot.A, good: Slot.A },
    full: {
      ...{ booted: Slot.B, good: Slot.A, spare: { content, whole: true } },
      ...{ trial, triesLeft: 1, last: { job: 'arm-6', proven: true } },
    },
  }),
  cases(GetSlotPartitionRequestSchema, { full: { name: 'system' } }),
  cases(GetSlotPartitionResponseSchema, { minimal: {}, full: { size: 4_294_967_296n } }),
  cases(
    WriteSlotImageRequestSchema,
    {
      full: {
        ...{ operationId, content, partition: 'system', image: 'contents/0a1b' },
        ...{ digest: new Uint8Array(32).fill(7), minPartitionBytes: 1024n },
      },
    },
    {
      outside: [{ image: '../etc/shadow' }, 'image: string.pattern'],
      absolute: [{ image: '/dev/sda' }, 'image: string.pattern'],
    },
  ),
  cases(WriteSlotImageResponseSchema, { minimal: {}, full: { size: 1024n, unfit: 'it is too small' } }),
  cases(BeginSlotSchema, { full: { content } }),
  cases(FinishSlotSchema, { minimal: { content }, full: finish }),
  cases(KeepSlotSchema, { full: {} }),
  cases(GiveUpSlotSchema, { full: {} }),
  cases(ChangeSlotsRequestSchema, {
    full: { operationId, step: { case: 'arm', value: trial } },
    begin: { operationId, step: { case: 'begin', value: { content } } },
    finish: { operationId, step: { case: 'finish', value: finish } },
    keep: { operationId, step: { case: 'keep', value: {} } },
    give_up: { operationId, step: { case: 'giveUp', value: {} } },
  }),
  cases(ChangeSlotsResponseSchema, { minimal: {}, full: { refused: 'the other slot is on trial' } }),
];
