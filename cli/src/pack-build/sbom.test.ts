import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ManifestSchema, PackageManager, PartitionRole } from '@iotdh/proto/update/v1';
import { sbomOf } from './sbom.ts';

const digest = (n: number) => new Uint8Array(32).fill(n);
const hex = (n: number) => Buffer.from(digest(n)).toString('hex');
const product = (name: string) => ({ product: name, version: '8.2' });
const about = { formatVersion: 1, name: 'carto', version: '8.2', title: 'Carto 8.2' };
const createTime = timestampFromMs(Date.UTC(2026, 10, 1));
const files = (...paths: string[]) => ({
  root: 'app',
  files: paths.map((path, index) => ({ path, digest: digest(index + 1) })),
});
const script = (n: number) => ({ case: 'script', value: { digest: digest(n) } }) as const;

type Part = {
  type: string;
  name: string;
  version?: string;
  'bom-ref': string;
  hashes?: { content: string }[];
};
type Bill = Part & { components: (Part & { components?: Part[] })[] };
const read = (text: string) =>
  JSON.parse(text) as Bill & {
    specVersion: string;
    serialNumber: string;
    metadata: { timestamp: string; component: Part };
  };

const patch = create(ManifestSchema, {
  ...{ ...about, createTime },
  content: {
    case: 'patch',
    value: {
      components: [
        {
          id: 'host',
          kind: {
            case: 'hostApplication',
            value: { product: product('Carto'), files: files('b', 'a', 'c') },
          },
          checks: [{ title: 'starts', kind: script(8) }],
        },
        {
          id: 'viewer',
          kind: { case: 'thirdPartyApplication', value: { product: product('Viewer'), files: files('a') } },
        },
        {
          id: 'os',
          kind: {
            case: 'operatingSystemBuild',
            value: {
              target: {
                case: 'linux',
                value: { manager: PackageManager.APT, packages: [{ name: 'openssl', version: '3.0.15-1' }] },
              },
            },
          },
        },
        { id: 'tidy', kind: { case: 'automation', value: { scripts: [{ digest: digest(9) }] } } },
      ],
    },
  },
});

test('the bill of a PATCH has every product, file, package and script by its digest, and is the same each time', () => {
  const text = sbomOf(patch, hex(7));
  assert.equal(sbomOf(patch, hex(7)), text);
  const bill = read(text);
  assert.equal(bill.specVersion, '1.6');
  assert.equal(bill.serialNumber, 'urn:uuid:07070707-0707-8707-8707-070707070707');
  assert.equal(bill.metadata.timestamp, '2026-11-01T00:00:00.000Z');
  assert.deepEqual(bill.metadata.component.hashes, [{ alg: 'SHA-256', content: hex(7) }]);
  const parts = bill.components.flatMap((one) => [one, ...(one.components ?? [])]);
  const lines = parts.map(({ type, name, version = '', hashes }) => {
    return `${type} ${name} ${version || (hashes?.[0]?.content.slice(0, 2) ?? '')}`;
  });
  assert.deepEqual(
    lines.toSorted((a, b) => (a < b ? -1 : 1)),
    [
      'application Carto 8.2',
      'application Viewer 8.2',
      'file app/a 01',
      'file app/a 02',
      'file app/b 01',
      'file app/c 03',
      'file host/script-1 08',
      'file tidy/script-1 09',
      'library openssl 3.0.15-1',
      'operating-system Linux ',
    ],
  );
  const refs = parts.map((one) => one['bom-ref']);
  assert.equal(new Set(refs).size, refs.length);
});

test('the bill of a BASE has its images and what they install', () => {
  const base = create(ManifestSchema, {
    ...{ ...about, createTime },
    content: {
      case: 'base',
      value: {
        partitions: [{ name: 'system', role: PartitionRole.BOOT, digest: digest(3) }],
        products: [product('Carto')],
      },
    },
  });
  const names = read(sbomOf(base, hex(7))).components.map(({ type, name }) => `${type} ${name}`);
  assert.deepEqual(new Set(names), new Set(['file system.img', 'application Carto']));
});
