/** A service pack for tests of the whole agent: files for one root, and a check by script that passes or fails. */
import { create, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  Codec,
  type Component,
  ComponentSchema,
  ConnectionTarget,
  FileSetMode,
  Interpreter,
  type Object$ as ManifestObject,
  type ManifestRef,
  ManifestRefSchema,
  ManifestSchema,
  PackageManager,
  PartitionRole,
  type Setting,
  UpdateKind,
} from '@iotdh/proto/update/v1';
import { addObject, type Blobs, bytesOf, hex, sha256 } from '../transfer/testing/pack.ts';

export type TestPack = { ref: ManifestRef; title: string; files: Record<string, Buffer> };

export type TestPackOptions = {
  version: string;
  /** The text of the check. Default: passes. */
  check?: string;
  /** A product that must be installed at this version, before and after. Default: none. */
  beside?: { product: string; version: string };
  /** How many bytes the largest file has. Default 60,000. */
  fileBytes?: number;
};

export const product = 'Carto';

/** Adds a PATCH to the blobs that brings `app/version.txt` and `app/data.bin` to the root `host-app`. */
export function addPatch(blobs: Blobs, options: TestPackOptions): TestPack {
  const { version, check = 'exit 0\n', fileBytes = 60_000, beside } = options;
  const files = {
    'version.txt': Buffer.from(`${version}\n`),
    'data.bin': bytesOf(fileBytes, version.length),
  };
  const script = Buffer.from(check);
  const title = `${product} ${version}`;
  const component: Component = create(ComponentSchema, {
    id: 'host-app',
    title: `${title} itself`,
    kind: {
      case: 'hostApplication',
      value: {
        product: { product, version },
        files: {
          root: 'host-app',
          mode: FileSetMode.REPLACE_ROOT,
          files: Object.entries(files).map(([path, content]) => ({ path, digest: sha256(content) })),
        },
      },
    },
    checks: [
      { title: 'the files are right', kind: { case: 'filesMatch', value: {} } },
      ...(beside === undefined
        ? []
        : [{ title: 'it fits', kind: { case: 'installedVersion' as const, value: beside } }]),
      {
        title: 'it starts',
        kind: {
          case: 'script',
          value: {
            interpreter: Interpreter.SH,
            digest: sha256(script),
            environment: ['TEST_FOLDER'],
            timeLimit: { seconds: 20n },
          },
        },
      },
    ],
    undo: { kind: { case: 'restorePrevious', value: {} } },
  });
  const contents = [...Object.values(files), script];
  const manifest = create(ManifestSchema, {
    ...{ formatVersion: 1, name: 'carto', version, title, summary: 'Better maps.' },
    createTime: timestampFromMs(1_700_000_000_000),
    content: { case: 'patch', value: { components: [component] } },
    objects: [addObject(blobs, contents, { codec: Codec.NONE })],
    requirements: { versionFloors: beside === undefined ? [] : [beside] },
  });
  return { ref: store(blobs, manifest, UpdateKind.PATCH), title, files };
}

/** Adds a PATCH that gives the connection to the hub another connection string, by the secret's name or as it is. */
export function addHubSettings(
  blobs: Blobs,
  { version, value, seconds }: { version: string; value: Setting['value']; seconds: bigint },
): TestPack {
  const title = `Hub ${version}`;
  const component: Component = create(ComponentSchema, {
    id: 'hub',
    title,
    kind: {
      case: 'connections',
      value: {
        connections: [{ target: ConnectionTarget.IOT, settings: [{ key: 'connection-string', value }] }],
        timeLimit: { seconds },
      },
    },
    undo: { kind: { case: 'restorePrevious', value: {} } },
  });
  const manifest = create(ManifestSchema, {
    ...{ formatVersion: 1, name: 'hub', version, title },
    createTime: timestampFromMs(1_700_000_000_000),
    content: { case: 'patch', value: { components: [component] } },
  });
  return { ref: store(blobs, manifest, UpdateKind.PATCH), title, files: {} };
}

/** Adds a PATCH that has apt bring ClamAV to a version, and then a service restarted. */
export function addPackages(
  blobs: Blobs,
  { version, service }: { version: string; service: string },
): TestPack {
  const title = `ClamAV ${version}`;
  const component: Component = create(ComponentSchema, {
    id: 'antivirus',
    title,
    kind: {
      case: 'managedProduct',
      value: {
        product: { product: 'clamav', version },
        source: {
          case: 'packages',
          value: { manager: PackageManager.APT, packages: [{ name: 'clamav', version }] },
        },
      },
    },
    followUps: [{ kind: { case: 'restartService', value: { name: service } } }],
    undo: { kind: { case: 'restorePrevious', value: {} } },
  });
  const manifest = create(ManifestSchema, {
    ...{ formatVersion: 1, name: 'antivirus', version, title },
    createTime: timestampFromMs(1_700_000_000_000),
    content: { case: 'patch', value: { components: [component] } },
  });
  return { ref: store(blobs, manifest, UpdateKind.PATCH), title, files: {} };
}

/** Adds a BASE of one partition. `others`: objects that yield its image too. */
export function addBase(
  blobs: Blobs,
  version: string,
  image: Buffer = bytesOf(20_000, 5),
  others: readonly ManifestObject[] = [],
): TestPack {
  const title = `Baseline ${version}`;
  const manifest = create(ManifestSchema, {
    ...{ formatVersion: 1, name: 'carto-base', version, title },
    createTime: timestampFromMs(1_700_000_000_000),
    content: {
      case: 'base',
      value: {
        partitions: [
          {
            ...{ name: 'system', role: PartitionRole.BOOT, digest: sha256(image) },
            minPartitionBytes: BigInt(image.length + 1),
          },
        ],
      },
    },
    objects: [addObject(blobs, [image], { codec: Codec.NONE }), ...others],
  });
  return { ref: store(blobs, manifest, UpdateKind.BASE), title, files: {} };
}

function store(
  blobs: Blobs,
  manifest: ReturnType<typeof create<typeof ManifestSchema>>,
  kind: UpdateKind,
): ManifestRef {
  const bytes = Buffer.from(toBinary(ManifestSchema, manifest));
  const digest = sha256(bytes);
  blobs.set(hex(digest), bytes);
  const { name, version } = manifest;
  return create(ManifestRefSchema, { digest, size: bytes.length, kind, name, version });
}
