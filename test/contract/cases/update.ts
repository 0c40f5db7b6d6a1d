/** Golden cases of iotdh.update.v1: what an update is made of, without the manifest itself. */
import {
  Architecture,
  AutomationSchema,
  CheckSchema,
  ChunkedSchema,
  ChunkingSchema,
  ChunkListSchema,
  Codec,
  CombinationSchema,
  ComponentSchema,
  ConnectionSchema,
  ConnectionsSchema,
  ConnectionTarget,
  ContentSchema,
  DeltaFormat,
  DeltaSchema,
  FileSchema,
  FileSetMode,
  FileSetSchema,
  FilesMatchSchema,
  FollowUpSchema,
  HostApplicationSchema,
  Interpreter,
  IrreversibleSchema,
  LocalEndpointSchema,
  ManagedProductSchema,
  MetadataFileSchema,
  MetadataRole,
  ObjectSchema,
  OperatingSystem,
  OperatingSystemBuildSchema,
  PackageManager,
  PackageSchema,
  PackageSetSchema,
  PlatformSchema,
  ProductVersionSchema,
  RestartMachineSchema,
  RestartServiceSchema,
  RestorePreviousSchema,
  ScriptSchema,
  SegmentListSchema,
  SettingSchema,
  ThirdPartyApplicationSchema,
  UndoSchema,
  WholeSchema,
  WindowsBuildSchema,
  WindowsUpdateSelectionSchema,
} from '@iotdh/proto/update/v1';
import { cases } from './cases.ts';
import { digest, lasting, mapping, uuid } from './examples.ts';

const script = { interpreter: Interpreter.ZX, digest: digest(0x51), timeLimit: lasting(60) };
const fullScript = {
  interpreter: Interpreter.POWERSHELL,
  digest: digest(0x52),
  arguments: ['--site', 'north wing', ''],
  environment: ['ProgramData', 'CARTO_HOME'],
  timeLimit: lasting(14_400),
  maxOutputBytes: 1_048_576,
  successExitCodes: [0, 3010, -1],
};
const files = {
  root: 'carto',
  mode: FileSetMode.REPLACE_ROOT,
  files: [
    { path: 'bin/mapping.exe', digest: digest(0xa1), mode: 0o755 },
    { path: 'etc/mapping.json', digest: digest(0xa2) },
  ],
};
const windowsUpdate = { updateIds: [uuid(71), uuid(72)] };
const packages = {
  manager: PackageManager.APT,
  packages: [{ name: 'linux-image-6.1.0-37-amd64', version: '6.1.140-1~deb12u1' }],
};
const settings = [
  { key: 'host', value: { case: 'text', value: 'hub-2.example.net' } },
  { key: 'shared-access-key', value: { case: 'secretName', value: 'IotHubKey' } },
] as const;
const connection = { target: ConnectionTarget.IOT, settings: [...settings] };
const restore = { kind: { case: 'restorePrevious', value: {} } } as const;
const check = { title: 'Mapping answers', kind: { case: 'localEndpoint', value: { port: 8443 } } } as const;

export const component = {
  id: 'mapping',
  title: 'Mapping 8.1',
  kind: { case: 'hostApplication' as const, value: { product: mapping, files } },
  followUps: [{ kind: { case: 'restartService' as const, value: { name: 'carto-mapping.service' } } }],
  checks: [check, { title: 'Files are intact', kind: { case: 'filesMatch' as const, value: {} } }],
  undo: restore,
};
const bare = { followUps: [], checks: [], undo: restore };

export const object = {
  digest: digest(0xb1),
  size: 5000n,
  contents: [
    { digest: digest(0xa1), size: 9000n },
    { digest: digest(0xa2), size: 0n },
  ],
  encoding: { case: 'whole' as const, value: { codec: Codec.ZSTD } },
  segmentSize: 4096,
  segmentDigests: { case: 'segments' as const, value: { digests: [digest(1), digest(2)] } },
};
export const platform = {
  operatingSystem: OperatingSystem.WINDOWS,
  architecture: Architecture.X64,
  operatingSystemVersion: '10.0.26100.2314',
  model: 'CARTO 3',
};
const chunking = { minSize: 16_384, averageSize: 65_536, maxSize: 262_144 };
const chunked = {
  codec: Codec.ZSTD,
  chunking,
  chunkListDigest: digest(0xc2),
  chunkListSize: 1234,
};
const path = (value: string) => ({ path: value });
const climbing = 'path: string.pattern';
const reserved = 'path: path.reserved_name';

/** A file of signed metadata. */
export const metadataFile = { role: MetadataRole.TARGETS, version: 7n, digest: digest(0xd1), size: 4_096 };

export const updateCases = [
  cases(ProductVersionSchema, { minimal: { product: 'A', version: '1' }, full: mapping }),
  cases(CombinationSchema, {
    full: { products: [mapping, { product: 'Windows', version: '10.0.26100.2314' }] },
  }),
  cases(PlatformSchema, { minimal: {}, full: platform }),
  cases(
    FileSchema,
    {
      minimal: { path: 'a', digest: digest(1) },
      deep: { path: '.config/x..y/Ünïcode 日本.txt', digest: digest(2), mode: 0o777 },
      'nearly-reserved': { path: 'console/com10/nul²/conin', digest: digest(2) },
      full: { path: 'bin/mapping.exe', digest: digest(0xa1), mode: 0o755 },
    },
    {
      'path-absolute': [path('/etc/passwd'), climbing],
      'path-parent': [path('../evil'), climbing],
      'path-parent-inside': [path('bin/../../evil'), climbing],
      'path-parent-last': [path('bin/..'), climbing],
      'path-current': [path('./a'), climbing],
      'path-empty-part': [path('bin//a'), climbing],
      'path-trailing-slash': [path('bin/'), climbing],
      'path-drive': [path('C:/Windows/a'), climbing],
      'path-stream': [path('a.txt:hidden'), climbing],
      'path-backslash': [path('bin\\a'), climbing],
      'path-nul': [path('a\u0000.txt'), climbing],
      'path-newline': [path('a\n'), climbing],
      'path-trailing-dot': [path('a.'), climbing],
      'path-trailing-space': [path('a /b'), climbing],
      'path-device': [path('con'), reserved],
      'path-device-with-extension': [path('bin/NUL.txt'), reserved],
      'path-port': [path('Com1/a'), reserved],
      'path-port-in-superscript': [path('bin/LPT²'), reserved],
      'path-console': [path('CONOUT$'), reserved],
      'path-device-with-space': [path('nul .txt'), reserved],
    },
  ),
  cases(
    FileSetSchema,
    {
      minimal: { root: 'a', mode: FileSetMode.REPLACE_ROOT },
      replaced: files,
      full: {
        root: 'third-party-1',
        mode: FileSetMode.MERGE,
        files: files.files,
        removedPaths: ['bin/old.dll', 'etc/old.json'],
      },
    },
    {
      'removal-from-replaced-root': [
        { mode: FileSetMode.REPLACE_ROOT },
        ': file_set.removals_only_when_merging',
      ],
      'removal-outside': [{ removedPaths: ['ok', '../../boot.ini'] }, 'removed_paths[1]: string.pattern'],
      'removal-of-device': [{ removedPaths: ['aux'] }, 'removed_paths[0]: path.reserved_name'],
      'file-outside': [{ files: [{ path: '../a', digest: digest(1) }] }, 'files[0].path: string.pattern'],
    },
  ),
  cases(ScriptSchema, {
    minimal: script,
    shell: { ...script, interpreter: Interpreter.SH },
    full: fullScript,
  }),
  cases(FilesMatchSchema, { full: {} }),
  cases(LocalEndpointSchema, { minimal: { port: 1 }, full: { port: 65_535 } }),
  cases(CheckSchema, {
    minimal: { title: 'T', kind: { case: 'filesMatch', value: {} } },
    script: { title: 'Self-test', kind: { case: 'script', value: fullScript } },
    version: { title: 'Version', kind: { case: 'installedVersion', value: mapping } },
    full: { ...check, timeLimit: lasting(3600), attempts: 100 },
  }),
  cases(RestorePreviousSchema, { full: {} }),
  cases(IrreversibleSchema, { full: { reason: 'The database schema moves forward only' } }),
  cases(UndoSchema, {
    minimal: restore,
    script: { kind: { case: 'script', value: script } },
    full: { kind: { case: 'irreversible', value: { reason: 'Windows keeps no way back' } } },
  }),
  cases(RestartServiceSchema, { minimal: { name: 'W' }, full: { name: 'carto-mapping@1.service' } }),
  cases(RestartMachineSchema, { full: {} }),
  cases(FollowUpSchema, {
    minimal: { kind: { case: 'restartMachine', value: {} } },
    script: { kind: { case: 'script', value: script } },
    full: { kind: { case: 'restartService', value: { name: 'carto' } } },
  }),
  cases(HostApplicationSchema, { full: { product: mapping, files } }),
  cases(WindowsBuildSchema, {
    minimal: { buildTag: '10.0.19045.1' },
    full: { buildTag: '10.0.26100.2314', kbArticles: ['KB5046617', 'KB504661'] },
  }),
  cases(PackageSchema, {
    minimal: { name: 'a', version: '1' },
    full: { name: 'libstdc++6', version: '2:1.0+b1~rc.3^git-5' },
  }),
  cases(PackageSetSchema, { full: packages, dnf: { ...packages, manager: PackageManager.DNF } }),
  cases(OperatingSystemBuildSchema, {
    minimal: { target: { case: 'linux', value: packages } },
    full: {
      target: { case: 'windows', value: { buildTag: '10.0.26100.2314' } },
      timeLimit: lasting(86_400),
    },
  }),
  cases(WindowsUpdateSelectionSchema, { full: windowsUpdate }),
  cases(ManagedProductSchema, {
    minimal: { product: mapping, source: { case: 'packages', value: packages } },
    full: {
      product: { product: 'Defender', version: '4.18.24090.11' },
      source: { case: 'windowsUpdate', value: windowsUpdate },
      timeLimit: lasting(7200),
    },
  }),
  cases(ThirdPartyApplicationSchema, { full: { product: mapping, files } }),
  cases(SettingSchema, {
    minimal: { key: 'h', value: { case: 'text', value: '' } },
    full: settings[0],
    secret: settings[1],
  }),
  cases(
    ConnectionSchema,
    {
      minimal: connection,
      update: { ...connection, target: ConnectionTarget.WINDOWS_UPDATE },
      full: { ...connection, target: ConnectionTarget.LOG_COLLECTION, name: 'intune' },
    },
    {
      'key-twice': [{ settings: [settings[0], settings[0]] }, 'settings: connection.key_unique'],
      'name-with-capital': [{ name: 'Intune' }, 'name: string.pattern'],
    },
  ),
  cases(ConnectionsSchema, {
    minimal: { connections: [connection] },
    full: { connections: [connection], timeLimit: lasting(3600) },
  }),
  cases(AutomationSchema, { full: { scripts: [script, fullScript] } }),
  cases(
    ComponentSchema,
    {
      minimal: {
        id: 'x',
        title: 'T',
        kind: { case: 'automation', value: { scripts: [script] } },
        undo: restore,
      },
      'b-windows-build': {
        ...component,
        ...bare,
        kind: {
          case: 'operatingSystemBuild',
          value: { target: { case: 'windows', value: { buildTag: '10.0.26100.2314' } } },
        },
      },
      'c-managed-product': {
        ...component,
        ...bare,
        kind: {
          case: 'managedProduct',
          value: { product: mapping, source: { case: 'windowsUpdate', value: windowsUpdate } },
        },
      },
      'd-third-party': {
        ...component,
        kind: { case: 'thirdPartyApplication', value: { product: mapping, files } },
      },
      'e-connections': {
        ...component,
        ...bare,
        kind: { case: 'connections', value: { connections: [connection] } },
      },
      full: component,
    },
    {
      'nothing-to-match': [
        { kind: { case: 'automation', value: { scripts: [script] } } },
        ': component.files_match_needs_files',
      ],
      'path-deep-inside': [
        {
          kind: {
            case: 'hostApplication',
            value: { product: mapping, files: { ...files, files: [{ path: '/a', digest: digest(1) }] } },
          },
        },
        'host_application.files.files[0].path: string.pattern',
      ],
    },
  ),
  cases(ContentSchema, {
    minimal: { digest: digest(1) },
    full: { digest: digest(2), size: 1_099_511_627_776n },
  }),
  cases(WholeSchema, { minimal: { codec: Codec.NONE }, full: { codec: Codec.BROTLI } }),
  cases(DeltaSchema, {
    full: {
      format: DeltaFormat.SEGMENTED,
      codec: Codec.BROTLI,
      base: [{ digest: digest(0xc1), size: 8000n }],
    },
  }),
  cases(
    ChunkingSchema,
    { full: chunking },
    {
      'average-no-power-of-two': [{ averageSize: 65_537 }, ': chunking.sizes_ascend'],
      'minimum-above-average': [{ minSize: 131_072 }, ': chunking.sizes_ascend'],
    },
  ),
  cases(ChunkedSchema, { full: chunked }),
  cases(
    ChunkListSchema,
    {
      full: {
        digests: new Uint8Array([...digest(0xd1), ...digest(0xd2), ...digest(0xd3)]),
        sizes: [65_000, 66_000, 3],
        groupChunks: [2, 1],
        groupSizes: [41_000, 12],
      },
    },
    {
      'digest-cut': [{ digests: new Uint8Array(95) }, ': chunk_list.digest_and_size'],
      'group-without-size': [{ groupSizes: [41_000] }, ': chunk_list.group_counts_and_sizes'],
    },
  ),
  cases(SegmentListSchema, { full: { digests: [digest(1), digest(2)] } }),
  cases(
    ObjectSchema,
    {
      full: object,
      chunked: { ...object, encoding: { case: 'chunked', value: chunked } },
      delta: {
        ...object,
        encoding: {
          case: 'delta',
          value: {
            format: DeltaFormat.SEGMENTED,
            codec: Codec.ZSTD,
            base: [{ digest: digest(0xc1), size: 8000n }],
          },
        },
      },
      'segments-elsewhere': {
        ...object,
        segmentDigests: { case: 'segmentListDigest', value: digest(0xd1) },
      },
      'segments-most': {
        ...object,
        size: 4_096_000_000n,
        segmentDigests: { case: 'segmentListDigest', value: digest(0xd1) },
      },
    },
    {
      'segment-missing': [
        { segmentDigests: { case: 'segments', value: { digests: [digest(1)] } } },
        ': object.segments_cover_size',
      ],
      'segment-too-many': [
        { size: 4096n, segmentDigests: { case: 'segments', value: { digests: [digest(1), digest(2)] } } },
        ': object.segments_cover_size',
      ],
      'segments-beyond-a-list': [
        { size: 4_096_000_001n, segmentDigests: { case: 'segmentListDigest', value: digest(0xd1) } },
        ': object.segments_fit_a_list',
      ],
      'segment-digest-short': [
        {
          segmentDigests: { case: 'segments', value: { digests: [digest(1), digest(2).slice(1)] } },
        },
        'segments.digests[1]: bytes.len',
      ],
    },
  ),
  cases(
    MetadataFileSchema,
    { full: metadataFile },
    {
      'version-none': [{ version: 0n }, 'version: uint64.gte_lte'],
      'too-large': [{ size: 524_289 }, 'size: uint32.gte_lte'],
    },
  ),
];
