/** What a manifest asks of a machine is asked of both halves of an update, before a byte moves. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import {
  BaseSchema,
  ManifestSchema,
  PartitionRole,
  type PartitionSchema,
  type RequirementsSchema,
} from '@iotdh/proto/update/v1';
import { temporaryFolder } from './install/testing/bench.ts';
import { openMachine } from './install/testing/machine.ts';
import { createInstallers, type InstallersOptions } from './installers.ts';

type Requirements = MessageInitShape<typeof RequirementsSchema>;
type Partition = MessageInitShape<typeof PartitionSchema>;

function rig(folder: string, hasSlots = true) {
  const machine = openMachine(folder);
  const settings = {
    ...{ dataDir: `${folder}/data`, model: '', roots: machine.roots, hostService: null },
    slots: hasSlots ? { kind: 'file-images', folder: `${folder}/slots` } : null,
    partitions: [
      { name: 'system', role: 'boot', bytes: 1_000 },
      { name: 'studies', role: 'data', bytes: 500 },
    ],
    ...{ serviceCommands: {}, restartCommand: ['true'], bootIdFile: `${folder}/boots` },
  };
  const installers = createInstallers({
    ...{ settings, environment: {}, bus: { opens: () => 0 }, clock: { now: Date.now } },
    ...{ facts: machine.facts, products: machine.products, inventory: machine.inventory },
    connections: machine.connections,
  } as unknown as InstallersOptions);
  const base = (requirements: Requirements, ...partitions: Partition[]) =>
    create(ManifestSchema, {
      requirements,
      content: { case: 'base', value: create(BaseSchema, { partitions }) },
    });
  const reason = async (...args: Parameters<typeof base>) => {
    const answer = await installers.preflight(base(...args), 0);
    return answer.kind === 'met' ? 'met' : `${answer.reason}${answer.passing ? ' (passes)' : ''}`;
  };
  return { machine, reason };
}

const system = (bytes: bigint): Partition => ({
  ...{ name: 'system', role: PartitionRole.BOOT, minPartitionBytes: bytes },
});

test('a base is refused for a partition that is not there or too small, and for what any manifest may ask', async (t) => {
  const { machine, reason } = rig(temporaryFolder(t));
  await machine.products.set('Carto', '7.10');
  const floor = (version: string) => ({ versionFloors: [{ product: 'Carto', version }] });
  assert.equal(await reason(floor('7.9'), system(1_000n)), 'met');
  assert.equal(await reason({}, system(1_001n)), 'system has 1000 bytes, 1001 are needed');
  assert.match(await reason({}, { ...system(1n), name: 'other' }), /^this machine has no partition other$/);
  const studies = { name: 'studies', role: PartitionRole.DATA, minPartitionBytes: 501n };
  assert.equal(await reason({}, system(1n), studies), 'studies has 500 bytes, 501 are needed');
  assert.equal(
    await reason({}, system(1n), { ...studies, name: 'elsewhere' }),
    'met',
    'not every machine has it',
  );
  assert.match(await reason(floor('8.0'), system(1n)), /needs Carto 8\.0 or higher; 7\.10 is installed/);
  const tooMuch = { freeMemoryBytes: 1n << 60n };
  assert.match(await reason(tooMuch, system(1n)), /bytes of memory; .* are free: close programs \(passes\)$/);
  const none = rig(temporaryFolder(t), false);
  assert.equal(await none.reason({}, system(1n)), 'this machine has no slots');
});
