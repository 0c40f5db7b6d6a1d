/** Reads the components a to f of a PATCH from a description. */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import {
  type Component,
  ComponentSchema,
  ConnectionTarget,
  PackageManager,
  type PackageSetSchema,
  type SettingSchema,
} from '@iotdh/proto/update/v1';
import { readFileSet } from './read-files.ts';
import { type Reading, readChecks, readFollowUps, readScript, readUndo } from './read-procedures.ts';
import type { Field } from './yaml-field.ts';

type Kind = MessageInitShape<typeof ComponentSchema>['kind'];
type ReadKind = (field: Field, reading: Reading) => Promise<Kind>;

const targets = {
  iot: ConnectionTarget.IOT,
  windows_update: ConnectionTarget.WINDOWS_UPDATE,
  log_collection: ConnectionTarget.LOG_COLLECTION,
};
const packageManagers = { apt: PackageManager.APT, dnf: PackageManager.DNF };

const readKinds = {
  host_application: async (field, reading) => ({
    case: 'hostApplication',
    value: await readApplication(field, reading),
  }),
  operating_system_build: async (field) => {
    const given = field.mapping(['windows', 'linux', 'time_limit']);
    const target = given.windows
      ? ({ case: 'windows', value: readWindowsBuild(given.windows) } as const)
      : given.linux && ({ case: 'linux', value: readPackages(given.linux) } as const);
    if ((given.windows === undefined) === (given.linux === undefined)) {
      field.wrong('needs exactly one of windows and linux');
    }
    return {
      case: 'operatingSystemBuild',
      value: { ...(target && { target }), ...timeLimit(given.time_limit) },
    };
  },
  managed_product: async (field) => {
    const given = field.mapping(['product', 'version', 'windows_update', 'packages', 'time_limit']);
    const source = given.windows_update
      ? ({
          case: 'windowsUpdate',
          value: {
            updateIds:
              given.windows_update
                .mapping(['update_ids'])
                .update_ids?.items()
                .map((item) => item.text()) ?? [],
          },
        } as const)
      : given.packages && ({ case: 'packages', value: readPackages(given.packages) } as const);
    if ((given.windows_update === undefined) === (given.packages === undefined)) {
      field.wrong('needs exactly one of windows_update and packages');
    }
    const product = { product: given.product?.text() ?? '', version: given.version?.text() ?? '' };
    return {
      case: 'managedProduct',
      value: { product, ...(source && { source }), ...timeLimit(given.time_limit) },
    };
  },
  third_party_application: async (field, reading) => ({
    case: 'thirdPartyApplication',
    value: await readApplication(field, reading),
  }),
  connections: async (field) => {
    const given = field.mapping(['connections', 'time_limit']);
    if (given.connections === undefined) field.wrong('needs connections: a list');
    const connections = given.connections?.items().map((item) => {
      const connection = item.mapping(['target', 'name', 'settings']);
      return {
        target: connection.target?.word(targets) ?? ConnectionTarget.UNSPECIFIED,
        name: connection.name?.text() ?? '',
        settings: connection.settings?.entries().map(readSetting) ?? [],
      };
    });
    return { case: 'connections', value: { connections: connections ?? [], ...timeLimit(given.time_limit) } };
  },
  automation: async (field, reading) => ({
    case: 'automation',
    value: {
      scripts:
        field
          .mapping(['scripts'])
          .scripts?.items()
          .map((item) => readScript(item, reading)) ?? [],
    },
  }),
} satisfies Record<string, ReadKind>;

const kindNames = Object.keys(readKinds) as (keyof typeof readKinds)[];

export async function readComponent(field: Field, reading: Reading): Promise<Component> {
  const given = field.mapping(['id', 'title', 'follow_ups', 'checks', 'undo', ...kindNames]);
  if (given.id === undefined) field.wrong('needs an id');
  if (given.title === undefined) field.wrong('needs a title');
  if (given.undo === undefined)
    field.wrong('needs an undo: restore_previous, a script, or irreversible with the reason');
  const [kindName, ...more] = kindNames.filter((name) => given[name] !== undefined);
  if (kindName === undefined || more.length > 0) field.wrong(`needs exactly one of ${kindNames.join(', ')}`);
  const kindField = kindName && given[kindName];
  if (kindName === 'automation' && given.undo?.is('text') && given.undo.text() === 'restore_previous') {
    // The agent refuses such a manifest before a byte moves.
    given.undo.wrong(
      'cannot be restore_previous: nobody knows what scripts change; give a script, or irreversible',
    );
  }
  const kind = kindName && kindField && (await readKinds[kindName](kindField, reading));
  return create(ComponentSchema, {
    id: given.id?.text() ?? '',
    title: given.title?.text() ?? '',
    ...(kind && { kind }),
    followUps: given.follow_ups ? readFollowUps(given.follow_ups, reading) : [],
    checks: given.checks ? readChecks(given.checks, reading) : [],
    ...(given.undo && { undo: readUndo(given.undo, reading) }),
  });
}

async function readApplication(field: Field, reading: Reading) {
  const given = field.mapping(['product', 'version', 'files']);
  if (given.product === undefined) field.wrong('needs a product');
  if (given.version === undefined) field.wrong('needs a version');
  if (given.files === undefined) field.wrong('needs files');
  return {
    product: { product: given.product?.text() ?? '', version: given.version?.text() ?? '' },
    ...(given.files && { files: await readFileSet(given.files, reading) }),
  };
}

function readWindowsBuild(field: Field) {
  const given = field.mapping(['build_tag', 'kb_articles']);
  if (given.build_tag === undefined) field.wrong('needs a build_tag');
  return {
    buildTag: given.build_tag?.text() ?? '',
    kbArticles: given.kb_articles?.items().map((item) => item.text()) ?? [],
  };
}

function readPackages(field: Field): MessageInitShape<typeof PackageSetSchema> {
  const given = field.mapping(['manager', 'packages']);
  if (given.manager === undefined) field.wrong('needs a manager: apt or dnf');
  return {
    manager: given.manager?.word(packageManagers) ?? PackageManager.UNSPECIFIED,
    packages:
      given.packages?.items().map((item) => {
        const found = item.mapping(['name', 'version']);
        return { name: found.name?.text() ?? '', version: found.version?.text() ?? '' };
      }) ?? [],
  };
}

/** `host: logs.example.com`, or `key: {secret: name-of-the-secret}`. */
function readSetting({ key, value }: { key: string; value: Field }): MessageInitShape<typeof SettingSchema> {
  if (value.is('text')) return { key, value: { case: 'text', value: value.text() } };
  const { secret } = value.mapping(['secret']);
  if (secret === undefined) value.wrong('must be text, or name a secret');
  return { key, value: { case: 'secretName', value: secret?.text() ?? '' } };
}

function timeLimit(field: Field | undefined) {
  return field && { timeLimit: durationFromMs(field.durationMs()) };
}
