/** Golden cases of iotdh.update.v1: the manifest and what it is made of directly. */
import {
  BaseSchema,
  BundledPackSchema,
  BundleSchema,
  Codec,
  ManifestRefSchema,
  ManifestSchema,
  PartitionRole,
  PartitionSchema,
  PatchSchema,
  RequirementsSchema,
  SbomRefSchema,
  UpdateKind,
} from '@iotdh/proto/update/v1';
import { cases } from './cases.ts';
import { at, digest, lasting, mapping } from './examples.ts';
import { component, metadataFile, object, platform } from './update.ts';

const boot = { name: 'system', role: PartitionRole.BOOT, digest: digest(0xe1), minPartitionBytes: 1n };
const data = {
  name: 'data-1',
  role: PartitionRole.DATA,
  digest: digest(0xe2),
  minPartitionBytes: 1_099_511_627_776n,
};
const check = { title: 'The agent runs', kind: { case: 'localEndpoint', value: { port: 1 } } } as const;
const base = {
  partitions: [boot, data],
  products: [mapping],
  checks: [check],
  bootTimeLimit: lasting(7200),
};
const requirements = {
  platforms: [platform],
  versionFloors: [{ product: 'Carto Mapping', version: '8.0.0' }],
  mustPassThrough: [{ product: 'Carto Mapping', version: '8.0.4' }],
  validatedCombinations: [{ products: [mapping] }],
  freeDiskBytes: 10_737_418_240n,
  freeMemoryBytes: 536_870_912n,
  mainsPower: true,
};
const manifest = {
  formatVersion: 1,
  name: 'carto-mapping',
  version: '8.1.0',
  title: 'Carto Mapping 8.1.0',
  createTime: at(0),
  content: { case: 'patch' as const, value: { components: [component] } },
};

export const manifestRef = {
  digest: digest(0x0d),
  size: 2048,
  kind: UpdateKind.PATCH,
  name: 'carto-mapping',
  version: '8.1.0',
};

export const sbomRef = { digest: digest(0x5b), size: 4_096 };
export const baseRef = { ...manifestRef, digest: digest(0x0e), kind: UpdateKind.BASE, name: 'carto-base' };

export const manifestCases = [
  cases(RequirementsSchema, { minimal: {}, full: requirements }),
  cases(
    PatchSchema,
    { full: { components: [component, { ...component, id: 'other' }] } },
    { 'id-twice': [{ components: [component, component] }, 'components: patch.component_id_unique'] },
  ),
  cases(PartitionSchema, { minimal: boot, full: data }),
  cases(
    BaseSchema,
    { minimal: { partitions: [boot] }, full: base },
    {
      'no-boot-partition': [{ partitions: [data] }, 'partitions: base.one_boot_partition'],
      'two-boot-partitions': [
        { partitions: [boot, { ...boot, name: 'other' }] },
        'partitions: base.one_boot_partition',
      ],
      'name-twice': [
        { partitions: [boot, { ...data, name: 'system' }] },
        'partitions: base.partition_name_unique',
      ],
    },
  ),
  cases(
    ManifestSchema,
    {
      minimal: { ...manifest, content: { case: 'base', value: { partitions: [boot] } } },
      base: {
        ...manifest,
        content: { case: 'base', value: base },
        objects: [
          {
            ...object,
            contents: [{ digest: digest(0xe1), size: 8192n }],
            encoding: { case: 'whole', value: { codec: Codec.NONE } },
          },
        ],
      },
      full: {
        ...manifest,
        summary: 'Maps faster.\nFixes a freeze on export.',
        expectedDuration: lasting(600),
        objects: [object],
        requirements,
      },
    },
    {
      'format-unknown': [{ formatVersion: 2 }, 'format_version: uint32.const'],
      'path-deep-inside': [
        {
          content: {
            case: 'patch',
            value: {
              components: [
                {
                  ...component,
                  kind: {
                    case: 'hostApplication',
                    value: {
                      product: mapping,
                      files: {
                        ...component.kind.value.files,
                        files: [{ path: '../../evil', digest: digest(1) }],
                      },
                    },
                  },
                },
              ],
            },
          },
        },
        'patch.components[0].host_application.files.files[0].path: string.pattern',
      ],
    },
  ),
  cases(ManifestRefSchema, { full: manifestRef, base: baseRef }),
  cases(SbomRefSchema, { full: sbomRef }, { 'nothing-in-it': [{ size: 0 }, 'size: uint32.gte_lte'] }),
  cases(BundledPackSchema, {
    minimal: { manifest: baseRef, title: 'B' },
    full: { manifest: manifestRef, title: 'Carto Mapping 8.1.0', sbom: sbomRef },
  }),
  cases(
    BundleSchema,
    {
      minimal: { formatVersion: 1, packs: [{ manifest: baseRef, title: 'B' }], createTime: at(0) },
      full: {
        formatVersion: 1,
        packs: [
          { manifest: manifestRef, title: 'Carto Mapping 8.1.0' },
          { manifest: baseRef, title: 'Baseline' },
        ],
        createTime: at(60),
        metadata: [metadataFile],
      },
    },
    {
      'format-unknown': [{ formatVersion: 2 }, 'format_version: uint32.const'],
      'two-patches': [
        {
          packs: [
            { manifest: manifestRef, title: 'A' },
            { manifest: manifestRef, title: 'B' },
          ],
        },
        ': bundle.one_of_each_kind',
      ],
    },
  ),
];
