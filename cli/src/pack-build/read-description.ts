/** Reads `pack.yaml` into a draft of the manifest. The keys are the contract's own words. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromDate } from '@bufbuild/protobuf/wkt';
import {
  Architecture,
  type ManifestSchema as Manifest,
  ManifestSchema,
  OperatingSystem,
  PartitionRole,
  PartitionSchema,
  type RequirementsSchema,
} from '@iotdh/proto/update/v1';
import type { Draft } from './draft.ts';
import { readComponent } from './read-components.ts';
import { pathIn, type Reading, readChecks, readProduct } from './read-procedures.ts';
import { type Field, openYaml } from './yaml-field.ts';

const operatingSystems = { windows: OperatingSystem.WINDOWS, linux: OperatingSystem.LINUX };
const architectures = { x64: Architecture.X64, arm64: Architecture.ARM64 };
const roles = { boot: PartitionRole.BOOT, data: PartitionRole.DATA };
const kinds = { patch: 'patch', base: 'base' } as const;

export type ReadOptions = {
  text: string;
  /** The description's absolute path: paths in it are relative to its folder. */
  file: string;
  /** How messages name it. */
  shownFile: string;
  /** The manifest's create_time where the description has none. */
  createTime: Date;
};

/** What is wrong is in the draft's problems. Throws `InvalidInput` when it is no YAML at all. */
export async function readDescription(options: ReadOptions): Promise<Draft> {
  const { root, problems, at } = openYaml(options.text, options.shownFile);
  const reading: Reading = { file: options.file, contents: [] };
  const given = root.mapping([
    'name',
    'version',
    'title',
    'summary',
    'kind',
    'create_time',
    'expected_duration',
    'requirements',
    'components',
    'base',
    'delta_from',
  ]);
  for (const key of ['name', 'version', 'title'] as const) {
    if (given[key] === undefined) root.wrong(`needs a ${key}`);
  }
  const kind = given.kind?.word(kinds) ?? (given.base === undefined ? 'patch' : 'base');
  const content = await readContent(kind, given, root, reading);
  const manifest = create(ManifestSchema, {
    formatVersion: 1,
    name: given.name?.text() ?? '',
    version: given.version?.text() ?? '',
    title: given.title?.text() ?? '',
    summary: given.summary?.text().trimEnd() ?? '',
    createTime: timestampFromDate(given.create_time?.instant() ?? options.createTime),
    ...(given.expected_duration && {
      expectedDuration: durationFromMs(given.expected_duration.durationMs()),
    }),
    ...(content && { content }),
    ...(given.requirements && { requirements: readRequirements(given.requirements) }),
  });
  const bases = given.delta_from?.items().map((item) => pathIn(reading, item)) ?? [];
  return { manifest, contents: reading.contents, bases, problems, at };
}

async function readContent(
  kind: 'patch' | 'base',
  given: Partial<Record<'components' | 'base', Field>>,
  root: Field,
  reading: Reading,
): Promise<MessageInitShape<typeof Manifest>['content'] | undefined> {
  const [wanted, other] =
    kind === 'patch' ? (['components', 'base'] as const) : (['base', 'components'] as const);
  given[other]?.wrong(`is not for a pack of kind ${kind}`);
  const field = given[wanted];
  if (field === undefined) {
    root.wrong(`needs ${wanted}, because its kind is ${kind}`);
    return undefined;
  }
  if (kind === 'base') return { case: 'base', value: readBase(field, reading) };
  const components = [];
  for (const item of field.items()) components.push(await readComponent(item, reading));
  return { case: 'patch', value: { components } };
}

function readBase(field: Field, reading: Reading) {
  const given = field.mapping(['partitions', 'products', 'checks', 'boot_time_limit']);
  if (given.partitions === undefined) field.wrong('needs partitions');
  const partitions = given.partitions?.items().map((item) => {
    const found = item.mapping(['name', 'role', 'image', 'min_partition_size']);
    const partition = create(PartitionSchema, {
      name: found.name?.text() ?? '',
      role: found.role?.word(roles) ?? PartitionRole.UNSPECIFIED,
      minPartitionBytes: BigInt(found.min_partition_size?.bytes() ?? 0),
    });
    if (found.image === undefined) {
      item.wrong('needs an image: the file with the raw bytes of the partition');
    } else {
      const { image } = found;
      reading.contents.push({
        source: { kind: 'file', path: pathIn(reading, image) },
        named: partition,
        onSize(bytes) {
          if (partition.minPartitionBytes === 0n) partition.minPartitionBytes = BigInt(bytes);
          if (partition.minPartitionBytes < BigInt(bytes)) {
            found.min_partition_size?.wrong(`is less than the ${bytes} bytes of the image`);
          }
        },
      });
    }
    return partition;
  });
  return {
    partitions: partitions ?? [],
    products: given.products?.items().map(readProduct) ?? [],
    checks: given.checks ? readChecks(given.checks, reading) : [],
    ...(given.boot_time_limit && { bootTimeLimit: durationFromMs(given.boot_time_limit.durationMs()) }),
  };
}

function readRequirements(field: Field): MessageInitShape<typeof RequirementsSchema> {
  const given = field.mapping([
    'platforms',
    'version_floors',
    'must_pass_through',
    'validated_combinations',
    'free_disk',
    'free_memory',
    'mains_power',
  ]);
  return {
    platforms:
      given.platforms?.items().map((item) => {
        const platform = item.mapping([
          'operating_system',
          'architecture',
          'operating_system_version',
          'model',
        ]);
        return {
          operatingSystem: platform.operating_system?.word(operatingSystems) ?? OperatingSystem.UNSPECIFIED,
          architecture: platform.architecture?.word(architectures) ?? Architecture.UNSPECIFIED,
          operatingSystemVersion: platform.operating_system_version?.text() ?? '',
          model: platform.model?.text() ?? '',
        };
      }) ?? [],
    versionFloors: given.version_floors?.items().map(readProduct) ?? [],
    mustPassThrough: given.must_pass_through?.items().map(readProduct) ?? [],
    validatedCombinations:
      given.validated_combinations?.items().map((item) => ({ products: item.items().map(readProduct) })) ??
      [],
    freeDiskBytes: BigInt(given.free_disk?.bytes() ?? 0),
    freeMemoryBytes: BigInt(given.free_memory?.bytes() ?? 0),
    mainsPower: given.mains_power?.flag() ?? false,
  };
}
