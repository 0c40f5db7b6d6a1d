/**
 * The bill of materials of a pack, in CycloneDX 1.6: the products that it brings, each with its files or packages, and the scripts and
 * images, all by their SHA-256. Nothing is in it but what the manifest says, so the same manifest makes the same bytes.
 */
import { timestampDate } from '@bufbuild/protobuf/wkt';
import { Enums, Models, Serialize, Spec } from '@cyclonedx/cyclonedx-library';
import {
  type Component,
  type FileSet,
  type Manifest,
  PackageManager,
  type PackageSet,
  type Partition,
  type ProductVersion,
  type Script,
} from '@iotdh/proto/update/v1';

const { ComponentType } = Enums;
const managers: Partial<Record<PackageManager, string>> = {
  [PackageManager.APT]: 'apt',
  [PackageManager.DNF]: 'dnf',
};

/** `digest`: of the manifest, in hex. */
export function sbomOf(manifest: Manifest, digest: string): string {
  const { name, version, title, createTime } = manifest;
  const bom = new Models.Bom({
    serialNumber: serialOf(digest),
    metadata: new Models.Metadata({
      ...(createTime && { timestamp: timestampDate(createTime) }),
      component: part(ComponentType.Firmware, name, 'pack', { version, description: title, digest }),
    }),
  });
  const { content } = manifest;
  if (content.case === 'patch') {
    for (const component of content.value.components)
      for (const one of partsOf(component)) bom.components.add(one);
  } else if (content.case === 'base') {
    const { partitions, products } = content.value;
    for (const partition of partitions) bom.components.add(imageOf(partition));
    for (const product of products) bom.components.add(productOf(product, `base/${product.product}`));
  }
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

/** A UUID of our own making (RFC 9562, version 8) from the manifest's digest. */
function serialOf(digest: string): string {
  const variant = ((Number.parseInt(digest.charAt(16), 16) & 3) | 8).toString(16);
  const hex = `${digest.slice(0, 12)}8${digest.slice(13, 16)}${variant}${digest.slice(17, 32)}`;
  return `urn:uuid:${hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')}`;
}

type About = { version?: string; description?: string; digest?: string };

/** `ref` is one of its own within the bill, and the same each time: the library would make up a random one. */
function part(
  type: Enums.ComponentType,
  name: string,
  ref: string,
  { digest, ...about }: About = {},
): Models.Component {
  const hashes = new Models.HashDictionary(
    digest === undefined ? [] : [[Enums.HashAlgorithm['SHA-256'], digest]],
  );
  return new Models.Component(type, name, { bomRef: ref, hashes, ...about });
}

const hex = (digest: Uint8Array): string => Buffer.from(digest).toString('hex');

function productOf({ product, version }: ProductVersion, ref: string): Models.Component {
  return part(ComponentType.Application, product, ref, { version });
}

function partsOf({ id, kind, checks, followUps, undo }: Component): Models.Component[] {
  const procedures = [
    ...followUps.map((one) => one.kind),
    ...checks.map((one) => one.kind),
    ...(undo === undefined ? [] : [undo.kind]),
  ].flatMap((one) => (one.case === 'script' ? [one.value] : []));
  const actions = kind.case === 'automation' ? kind.value.scripts : [];
  const scripts = [...actions, ...procedures].map((script, index) =>
    scriptOf(script, `${id}/script-${index + 1}`),
  );
  switch (kind.case) {
    case 'hostApplication':
    case 'thirdPartyApplication': {
      const product = productOf(kind.value.product ?? nothing, id);
      addFiles(product, kind.value.files, id);
      return [product, ...scripts];
    }
    case 'managedProduct': {
      const product = productOf(kind.value.product ?? nothing, id);
      const { source } = kind.value;
      if (source.case === 'packages') addPackages(product, source.value, id);
      return [product, ...scripts];
    }
    case 'operatingSystemBuild': {
      const { target } = kind.value;
      const version = target.case === 'windows' ? { version: target.value.buildTag } : {};
      const name = target.case === 'windows' ? 'Windows' : 'Linux';
      const system = part(ComponentType.OperatingSystem, name, id, version);
      if (target.case === 'linux') addPackages(system, target.value, id);
      return [system, ...scripts];
    }
    default:
      return scripts;
  }
}

const nothing = { product: '', version: '' } as ProductVersion;

function addFiles(product: Models.Component, files: FileSet | undefined, id: string): void {
  for (const { path, digest } of files?.files ?? []) {
    const name = `${files?.root}/${path}`;
    product.components.add(part(ComponentType.File, name, `${id}/${name}`, { digest: hex(digest) }));
  }
}

function addPackages(of: Models.Component, { manager, packages }: PackageSet, id: string): void {
  for (const { name, version } of packages) {
    const library = part(ComponentType.Library, name, `${id}/${managers[manager]}/${name}@${version}`, {
      version,
    });
    library.properties.add(new Models.Property('iotdh:packageManager', managers[manager] ?? 'unknown'));
    of.components.add(library);
  }
}

const scriptOf = ({ digest }: Script, ref: string): Models.Component =>
  part(ComponentType.File, ref, ref, { digest: hex(digest) });

const imageOf = ({ name, digest }: Partition): Models.Component =>
  part(ComponentType.File, `${name}.img`, `base/${name}.img`, { digest: hex(digest) });
