/** Reads scripts, checks, follow-ups and ways back from a description. */
import { dirname, resolve } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import {
  type CheckSchema,
  type FollowUpSchema,
  Interpreter,
  type ProductVersionSchema,
  type Script,
  ScriptSchema,
  type UndoSchema,
} from '@iotdh/proto/update/v1';
import type { Draft, Source } from './draft.ts';
import type { Field } from './yaml-field.ts';

/** What the readers share: where paths begin, and where contents are collected. */
export type Reading = {
  /** The description's own path. */
  file: string;
  contents: Draft['contents'];
};

/** A path of the description, relative to the folder that it lies in. */
export function pathIn(reading: Reading, field: Field): string {
  return resolve(dirname(reading.file), field.text());
}

export const interpreters = { zx: Interpreter.ZX, powershell: Interpreter.POWERSHELL, sh: Interpreter.SH };

export function readScript(field: Field, reading: Reading): Script {
  const given = field.mapping([
    'interpreter',
    'file',
    'text',
    'arguments',
    'environment',
    'time_limit',
    'max_output',
    'success_exit_codes',
  ]);
  const script = create(ScriptSchema, {
    interpreter: given.interpreter?.word(interpreters) ?? Interpreter.UNSPECIFIED,
    arguments: given.arguments?.items().map((item) => item.text()) ?? [],
    environment: given.environment?.items().map((item) => item.text()) ?? [],
    ...(given.time_limit && { timeLimit: durationFromMs(given.time_limit.durationMs()) }),
    maxOutputBytes: given.max_output?.bytes() ?? 0,
    successExitCodes: given.success_exit_codes?.items().map((item) => item.integer()) ?? [],
  });
  if (given.interpreter === undefined) field.wrong('needs an interpreter: sh, zx or powershell');
  if (given.time_limit === undefined) field.wrong('needs a time_limit, such as 30s');
  const source: Source | undefined =
    given.file !== undefined
      ? { kind: 'file', path: pathIn(reading, given.file) }
      : given.text !== undefined
        ? { kind: 'text', bytes: Buffer.from(textOf(given.text)), path: given.text.path }
        : undefined;
  if ((given.file === undefined) === (given.text === undefined)) field.wrong('needs either a file or a text');
  if (source !== undefined) reading.contents.push({ source, named: script });
  return script;
}

/** A block of text, with the line break at its end that shells expect. */
function textOf(field: Field): string {
  const text = field.text();
  return text.endsWith('\n') ? text : `${text}\n`;
}

export function readProduct(field: Field): MessageInitShape<typeof ProductVersionSchema> {
  const given = field.mapping(['product', 'version']);
  if (given.product === undefined) field.wrong('needs a product');
  if (given.version === undefined) field.wrong('needs a version');
  return { product: given.product?.text() ?? '', version: given.version?.text() ?? '' };
}

export function readChecks(field: Field, reading: Reading): MessageInitShape<typeof CheckSchema>[] {
  return field.items().map((item) => {
    const given = item.mapping([
      'title',
      'time_limit',
      'attempts',
      'files_match',
      'script',
      'installed_version',
      'local_endpoint',
    ]);
    if (given.title === undefined) item.wrong('needs a title');
    const kinds: MessageInitShape<typeof CheckSchema>['kind'][] = [];
    if (given.files_match?.flag() === true) kinds.push({ case: 'filesMatch', value: {} });
    if (given.script) kinds.push({ case: 'script', value: readScript(given.script, reading) });
    if (given.installed_version) {
      kinds.push({ case: 'installedVersion', value: readProduct(given.installed_version) });
    }
    if (given.local_endpoint) {
      kinds.push({ case: 'localEndpoint', value: { port: given.local_endpoint.integer() } });
    }
    const [kind, ...more] = kinds;
    if (kind === undefined || more.length > 0) {
      item.wrong('needs exactly one of files_match: true, script, installed_version and local_endpoint');
    }
    return {
      title: given.title?.text() ?? '',
      ...(given.time_limit && { timeLimit: durationFromMs(given.time_limit.durationMs()) }),
      attempts: given.attempts?.integer() ?? 0,
      ...(kind && { kind }),
    };
  });
}

export function readFollowUps(field: Field, reading: Reading): MessageInitShape<typeof FollowUpSchema>[] {
  return field.items().map((item): MessageInitShape<typeof FollowUpSchema> => {
    if (item.is('text') && item.text() === 'restart_machine') {
      return { kind: { case: 'restartMachine', value: {} } };
    }
    const given = item.mapping(['restart_service', 'script']);
    if ((given.restart_service === undefined) === (given.script === undefined)) {
      item.wrong('must be restart_machine, or have one of restart_service and script');
    }
    if (given.script) return { kind: { case: 'script', value: readScript(given.script, reading) } };
    return { kind: { case: 'restartService', value: { name: given.restart_service?.text() ?? '' } } };
  });
}

export function readUndo(field: Field, reading: Reading): MessageInitShape<typeof UndoSchema> {
  if (field.is('text') && field.text() === 'restore_previous') {
    return { kind: { case: 'restorePrevious', value: {} } };
  }
  const given = field.is('mapping') ? field.mapping(['script', 'irreversible']) : {};
  if ((given.script === undefined) === (given.irreversible === undefined)) {
    field.wrong('must be restore_previous, a script, or irreversible with the reason');
  }
  if (given.script) return { kind: { case: 'script', value: readScript(given.script, reading) } };
  return { kind: { case: 'irreversible', value: { reason: given.irreversible?.text() ?? '' } } };
}
