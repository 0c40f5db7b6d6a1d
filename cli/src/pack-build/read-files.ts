/** Reads a set of files from a description: folders and single files of this machine, and where they go. */
import { stat } from 'node:fs/promises';
import { matchesGlob, resolve } from 'node:path';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { pathKey } from '@iotdh/proto/paths';
import { FileSchema, FileSetMode, type FileSetSchema } from '@iotdh/proto/update/v1';
import { findFiles, modeOf } from './file-tree.ts';
import { pathIn, type Reading } from './read-procedures.ts';
import type { Field } from './yaml-field.ts';

const modes = { replace_root: FileSetMode.REPLACE_ROOT, merge: FileSetMode.MERGE };
const linkWords = { refuse: 'refuse', follow: 'follow', skip: 'skip' } as const;

type Planned = { path: string; absolute: string; mode: number; from: Field };

export async function readFileSet(
  field: Field,
  reading: Reading,
): Promise<MessageInitShape<typeof FileSetSchema>> {
  const given = field.mapping(['root', 'mode', 'from', 'modes', 'removed_paths']);
  if (given.root === undefined)
    field.wrong('needs a root: the name of an install root in the agent’s settings');
  if (given.mode === undefined) field.wrong('needs a mode: replace_root or merge');
  const planned = given.from === undefined ? [] : await readSources(given.from, reading);
  if (given.from === undefined && given.removed_paths === undefined)
    field.wrong('needs from: a folder, or a list');
  const overrides =
    given.modes?.entries().map(({ key, value }) => ({ glob: key, mode: value.fileMode() })) ?? [];

  planned.sort((a, b) => (a.path < b.path ? -1 : 1));
  noteCollisions(planned);
  const files = planned.map(({ path, absolute, mode }) => {
    const override = overrides.findLast(({ glob }) => matchesGlob(path, glob));
    const file = create(FileSchema, { path, mode: override?.mode ?? mode });
    reading.contents.push({ source: { kind: 'file', path: absolute }, named: file });
    return file;
  });
  return {
    root: given.root?.text() ?? '',
    mode: given.mode?.word(modes) ?? FileSetMode.UNSPECIFIED,
    files,
    removedPaths: given.removed_paths?.items().map((item) => item.text()) ?? [],
  };
}

/** `from` is a folder, or a list of folders and files, each with where it goes. */
async function readSources(field: Field, reading: Reading): Promise<Planned[]> {
  if (field.is('text')) return readFolder(field, { folder: field }, reading);
  const planned: Planned[] = [];
  for (const item of field.items()) {
    if (item.is('text')) {
      planned.push(...(await readFolder(item, { folder: item }, reading)));
      continue;
    }
    const given = item.mapping(['folder', 'file', 'to', 'exclude', 'symlinks']);
    if ((given.folder === undefined) === (given.file === undefined)) {
      item.wrong('needs either a folder or a file');
    } else if (given.file !== undefined) {
      planned.push(...(await readSingle(given.file, given.to, reading)));
    } else {
      planned.push(...(await readFolder(item, given, reading)));
    }
  }
  return planned;
}

async function readSingle(file: Field, to: Field | undefined, reading: Reading): Promise<Planned[]> {
  if (to === undefined) {
    file.wrong('needs a to: where the file goes, with its name');
    return [];
  }
  const absolute = pathIn(reading, file);
  const found = await stat(absolute).catch(() => undefined);
  if (found === undefined || !found.isFile()) {
    file.wrong(found === undefined ? `${absolute} does not exist` : `${absolute} is no file`);
    return [];
  }
  return [{ path: to.text(), absolute, mode: modeOf(found.mode), from: file }];
}

async function readFolder(
  place: Field,
  given: Partial<Record<'folder' | 'to' | 'exclude' | 'symlinks', Field>>,
  reading: Reading,
): Promise<Planned[]> {
  const folder = resolve(pathIn(reading, given.folder ?? place));
  const prefix = given.to?.text().replace(/\/+$/, '') ?? '';
  try {
    const { files, unpackable } = await findFiles(folder, {
      exclude: given.exclude?.items().map((item) => item.text()) ?? [],
      symlinks: given.symlinks?.word(linkWords) ?? 'refuse',
    });
    for (const { path, reason } of unpackable.slice(0, 10)) place.wrong(`${path} ${reason}`);
    if (files.length === 0) place.wrong(`${folder} has no files`);
    return files.map((file) => ({
      ...file,
      path: prefix === '' ? file.path : `${prefix}/${file.path}`,
      from: place,
    }));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    place.wrong(code === 'ENOENT' ? `${folder} does not exist` : message);
    return [];
  }
}

/** What Linux takes as one name; Windows takes no fewer characters. */
const longestNameBytes = 255;

/** What devices would refuse: no two paths are the same, and none is a folder of another. See File.path. */
function noteCollisions(planned: readonly Planned[]): void {
  const seen = new Map<string, Planned>();
  for (const file of planned) {
    if (file.path.split('/').some((part) => Buffer.byteLength(part) > longestNameBytes))
      file.from.wrong(`${file.path} has a name of more than ${longestNameBytes} bytes`);
    const key = pathKey(file.path);
    const other = seen.get(key);
    if (other !== undefined) file.from.wrong(`${file.path} collides with ${other.path}`);
    seen.set(key, file);
  }
  for (const file of planned) {
    const parts = pathKey(file.path).split('/');
    for (let length = 1; length < parts.length; length += 1) {
      const folder = seen.get(parts.slice(0, length).join('/'));
      if (folder !== undefined) file.from.wrong(`${folder.path} is both a file and a folder of ${file.path}`);
    }
  }
}
