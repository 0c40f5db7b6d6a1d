/**
 * The devices that a plan is for, by what is known to be on them: the contents of the manifest that they last applied. For a base
 * that is the last base, however many patches came after it: its images are still in a slot.
 */
import { fromBinary, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { HelloSchema, UpdateResultSchema } from '@iotdh/proto/bus/v1';
import { type DeviceFilter, type DeviceReport, DeviceReportSchema } from '@iotdh/proto/fleet/v1';
import { namedContents } from '@iotdh/proto/objects';
import { ManifestSchema } from '@iotdh/proto/update/v1';
import type { PackDocument } from '../../../shared/database/collections.ts';
import { filterOf } from '../devices/find.ts';
import type { Fleet } from '../fleet.ts';
import { manifestBytes } from '../packs/find.ts';
import { refuse } from '../refusal.ts';

export type PlannedDevice = {
  deviceId: string;
  /** Bytes of what it says of its inventory. */
  inventoryBytes: number;
  /** Whether it has a certificate that is valid, with which it may ask for objects over HTTPS. */
  hasHttps: boolean;
};

export type DeviceGroup = {
  /** SHA-256 in hex of the manifest. Empty: nothing is known that helps. */
  base: string;
  /** The contents of that manifest, in hex. */
  contents: ReadonlySet<string>;
  devices: PlannedDevice[];
};

/** Refuses with `not_found` for a device that the filter names and that does not exist. */
export async function deviceGroups(
  fleet: Fleet,
  filter: DeviceFilter | undefined,
  kind: PackDocument['manifest']['kind'],
): Promise<DeviceGroup[]> {
  const { devices } = fleet.database.collections;
  const groups = new Map<string, DeviceGroup>();
  const missing = new Set(filter?.deviceIds);
  const found = devices.find(filterOf(filter), { projection: { report: 1 } }).sort({ _id: 1 });
  const inventories = new Map<string, number>();
  const bases = kind === 'base' ? await appliedBases(fleet, filter) : new Map<string, string>();
  for await (const { _id: deviceId, report } of found) {
    missing.delete(deviceId);
    const read =
      report === null
        ? undefined
        : fromJson(DeviceReportSchema, report as JsonValue, { ignoreUnknownFields: true });
    const base = bases.get(deviceId) ?? Buffer.from(read?.appliedManifestDigest ?? []).toString('hex');
    const key = JSON.stringify(report?.inventory ?? []);
    const inventoryBytes = inventories.get(key) ?? inventoryBytesOf(read);
    inventories.set(key, inventoryBytes);
    const contents = groups.get(base)?.contents ?? (await contentsOf(fleet, base));
    // A manifest that is not known any more says nothing of what is on the device.
    const name = contents.size === 0 ? '' : base;
    const group = groups.get(name) ?? { base: name, contents, devices: [] };
    groups.set(name, group);
    group.devices.push({ deviceId, inventoryBytes, hasHttps: false });
  }
  const [first] = missing;
  if (first !== undefined) refuse({ kind: 'not_found', resource: 'device', id: first });
  const known = [...groups.values()].toSorted((a, b) => b.devices.length - a.devices.length);
  await noteCertificates(
    fleet,
    known.flatMap((group) => group.devices),
  );
  return known;
}

/** So many devices are asked about at once. */
const batch = 1_000;

/** By device, the manifest of the base that it last applied, in hex. */
async function appliedBases(fleet: Fleet, filter: DeviceFilter | undefined): Promise<Map<string, string>> {
  const { devices, updateResults } = fleet.database.collections;
  const found = await devices.find(filterOf(filter), { projection: { _id: 1 } }).toArray();
  const deviceIds = found.map(({ _id }) => _id);
  const digests = new Map<string, string>();
  for (let from = 0; from < deviceIds.length; from += batch) {
    const applied = updateResults
      .find({
        deviceId: { $in: deviceIds.slice(from, from + batch) },
        'record.kind': 'UPDATE_KIND_BASE',
        'record.outcome': 'UPDATE_OUTCOME_APPLIED',
      })
      .sort({ receivedTime: 1 });
    for await (const { deviceId, record } of applied) {
      const { manifestDigest } = fromJson(UpdateResultSchema, record as JsonValue, {
        ignoreUnknownFields: true,
      });
      digests.set(deviceId, Buffer.from(manifestDigest).toString('hex'));
    }
  }
  return digests;
}

/** Without one that is valid, the broker gives a device no address of an object. */
async function noteCertificates(fleet: Fleet, devices: readonly PlannedDevice[]): Promise<void> {
  const { certificates } = fleet.database.collections;
  const notAfter = { $gt: new Date(fleet.clock.now()) };
  for (let from = 0; from < devices.length; from += batch) {
    const some = new Map(devices.slice(from, from + batch).map((device) => [device.deviceId, device]));
    const found = certificates.find(
      { deviceId: { $in: [...some.keys()] }, notAfter },
      { projection: { deviceId: 1 } },
    );
    for await (const { deviceId } of found) {
      const device = some.get(deviceId);
      if (device !== undefined) device.hasHttps = true;
    }
  }
}

const inventoryBytesOf = (report: DeviceReport | undefined): number =>
  report === undefined ? 0 : toBinary(HelloSchema, { ...emptyHello, inventory: report.inventory }).length;

const emptyHello = fromBinary(HelloSchema, new Uint8Array());

async function contentsOf(fleet: Fleet, digest: string): Promise<ReadonlySet<string>> {
  if (digest === '') return new Set();
  const pack = await fleet.database.collections.packs.findOne({ 'manifest.digest': digest });
  if (pack === null) return new Set();
  const bytes = await manifestBytes(fleet, pack).catch(() => null);
  return new Set(bytes === null ? [] : namedContents(fromBinary(ManifestSchema, bytes)));
}
