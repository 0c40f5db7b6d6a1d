/** Manifests for tests, and their contents on a pretend machine's disk. */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type CheckSchema,
  Codec,
  type Component,
  ComponentSchema,
  ConnectionTarget,
  FileSetMode,
  type FollowUpSchema,
  Interpreter,
  type Manifest,
  ManifestSchema,
  type RequirementsSchema,
  type Script,
  ScriptSchema,
  type SettingSchema,
  type UndoSchema,
} from '@iotdh/proto/update/v1';
import type { PretendMachine } from './machine.ts';

/** How a component is followed up, checked and undone. By default not at all, not at all and by restoring. */
export type Around = {
  followUps?: MessageInitShape<typeof FollowUpSchema>[];
  checks?: MessageInitShape<typeof CheckSchema>[];
  undo?: MessageInitShape<typeof UndoSchema>;
};
type Bounds = {
  arguments?: string[];
  maxOutputBytes?: number;
  successExitCodes?: number[];
  timeLimitMs?: number;
};

type ComponentInit = MessageInitShape<typeof ComponentSchema>;

export type Author = {
  /** Puts a content on the machine's disk; returns its digest. */
  content(text: string | Uint8Array): Uint8Array;
  script(text: string, bounds?: Bounds & { interpreter?: Interpreter }): Script;
  /** Component a, in the root 'app'. A `null` file is removed. */
  files(
    id: string,
    files: Record<string, string | null>,
    more?: Around & { mode?: FileSetMode; root?: string; version?: string },
  ): Component;
  /** Component e: the host of the log collection, and a secret key if one is named. */
  connection(id: string, host: string, more?: Around & { secretName?: string }): Component;
  automation(id: string, scripts: Script[], more?: Around): Component;
  manifest(components: Component[], requirements?: MessageInitShape<typeof RequirementsSchema>): Manifest;
};

export const restorePrevious = { kind: { case: 'restorePrevious' as const, value: {} } };
export const irreversible = {
  kind: { case: 'irreversible' as const, value: { reason: 'the database is converted' } },
};

export function authorOn(machine: PretendMachine): Author {
  const sizes = new Map<string, number>();

  function content(text: string | Uint8Array): Uint8Array {
    const digest = createHash('sha256').update(text).digest();
    writeFileSync(machine.contentPath(digest.toString('hex')), text);
    sizes.set(digest.toString('hex'), Buffer.byteLength(text));
    return digest;
  }

  function component(id: string, kind: NonNullable<ComponentInit['kind']>, around: Around): Component {
    const init: ComponentInit = { id, title: `What ${id} does`, undo: restorePrevious, ...around };
    return create(ComponentSchema, { ...init, kind } as ComponentInit);
  }

  return {
    content,
    script: (text, { timeLimitMs = 20_000, ...bounds } = {}) =>
      create(ScriptSchema, {
        interpreter: Interpreter.SH,
        digest: content(text),
        environment: ['MACHINE'],
        timeLimit: durationFromMs(timeLimitMs),
        ...bounds,
      }),
    files(id, files, { mode = FileSetMode.REPLACE_ROOT, root = 'app', version = '2.0', ...around } = {}) {
      const brought = Object.entries(files).flatMap(([path, text]) =>
        text === null ? [] : [{ path, digest: content(text) }],
      );
      const removedPaths = Object.keys(files).filter((path) => files[path] === null);
      const value = {
        product: { product: id, version },
        files: { root, mode, files: brought, removedPaths },
      };
      return component(id, { case: 'hostApplication', value }, around);
    },
    connection(id, host, { secretName, ...around } = {}) {
      const settings: MessageInitShape<typeof SettingSchema>[] = [
        { key: 'host', value: { case: 'text', value: host } },
      ];
      if (secretName !== undefined) {
        settings.push({ key: 'key', value: { case: 'secretName', value: secretName } });
      }
      const connections = [{ target: ConnectionTarget.LOG_COLLECTION, settings }];
      return component(
        id,
        { case: 'connections', value: { connections, timeLimit: durationFromMs(200) } },
        around,
      );
    },
    automation: (id, scripts, around = {}) =>
      component(id, { case: 'automation', value: { scripts } }, { undo: irreversible, ...around }),
    manifest: (components, requirements) =>
      create(ManifestSchema, {
        formatVersion: 1,
        name: 'carto',
        version: '2.0',
        title: 'Carto 2.0',
        createTime: timestampFromMs(1_700_000_000_000),
        content: { case: 'patch', value: { components } },
        objects: [...sizes].map(([digest, size]) => ({
          digest: Buffer.from(digest, 'hex'),
          size: BigInt(size || 1),
          contents: [{ digest: Buffer.from(digest, 'hex'), size: BigInt(size) }],
          encoding: { case: 'whole' as const, value: { codec: Codec.NONE } },
          segmentSize: 4096,
          segmentDigests: { case: 'segmentListDigest' as const, value: Buffer.from(digest, 'hex') },
        })),
        ...(requirements === undefined ? {} : { requirements }),
      }),
  };
}
