/** `iotdh pack build` and `iotdh pack inspect`: packs as folders on this machine. */
import { toJson } from '@bufbuild/protobuf';
import { Codec, ManifestSchema } from '@iotdh/proto/update/v1';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Format, formatOf, printJson } from '../output/format.ts';
import { createProgressBar } from '../output/progress-bar.ts';
import { tableText } from '../output/table.ts';
import { enumText, hexText, timeText } from '../output/words.ts';
import { type BuiltPack, buildPack } from '../pack-build/build-pack.ts';
import { openPack } from '../pack-build/pack-folder.ts';
import { InvalidInput } from '../pack-build/problem.ts';
import { sizeText } from '../quantities.ts';
import type { Terminal } from '../terminal.ts';

/** What the author can put right is a failure with the exit code of wrong usage. */
export async function fromAuthor<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof InvalidInput) throw new Failure(exitCode.usage, cause.message, { cause });
    throw cause;
  }
}

const phaseWords = { digest: 'reading', compress: 'compressing', delta: 'making deltas' } as const;

export type BuildCommandOptions = {
  out?: string;
  earlier?: string[];
  level: number;
  time?: string;
  force?: boolean;
  chunks: boolean;
  output?: Format;
};

export async function build(
  terminal: Terminal,
  description: string,
  options: BuildCommandOptions,
): Promise<void> {
  const bar = createProgressBar(terminal);
  try {
    const built = await fromAuthor(() =>
      buildPack({
        description,
        ...(options.out !== undefined && { folder: options.out }),
        replace: options.force ?? false,
        earlier: options.earlier ?? [],
        level: options.level,
        chunked: options.chunks,
        createTime: createTime(options.time, terminal),
        signal: terminal.signal,
        onProgress: ({ phase, doneBytes, totalBytes }) =>
          bar.update(doneBytes, totalBytes, phaseWords[phase]),
      }),
    );
    bar.clear();
    await report(terminal, formatOf(options.output, terminal), built);
  } finally {
    bar.clear();
  }
}

/** SOURCE_DATE_EPOCH is the reproducible-builds convention: seconds since 1970. */
function createTime(given: string | undefined, { env, now }: Terminal): Date {
  const epoch = env.SOURCE_DATE_EPOCH;
  const time = given !== undefined ? new Date(given) : epoch ? new Date(Number(epoch) * 1_000) : now();
  if (Number.isNaN(time.getTime())) {
    throw new Failure(exitCode.usage, `${given ?? epoch} is no instant: write 2026-11-01T12:00:00Z`);
  }
  return time;
}

async function report(terminal: Terminal, format: Format, built: BuiltPack): Promise<void> {
  const { manifest, digest, folder } = built;
  if (format === 'name') terminal.out(`${folder}\n`);
  else if (format !== 'table') {
    await printJson(terminal, format, {
      folder,
      name: manifest.name,
      version: manifest.version,
      manifestDigest: digest,
      manifestBytes: built.manifestBytes,
      objects: manifest.objects.length,
      objectBytes: built.objectBytes,
      contentBytes: built.contentBytes,
      reusedBytes: built.reusedBytes,
      deltaBytes: built.deltaBytes,
    });
  } else {
    const share = built.contentBytes === 0 ? 100 : Math.round((built.objectBytes / built.contentBytes) * 100);
    terminal.out(`${terminal.style('green', 'Built')} ${manifest.name}@${manifest.version} in ${folder}\n`);
    terminal.out(
      `  ${manifest.objects.length} objects, ${sizeText(built.objectBytes)}: ${share} % of ${sizeText(built.contentBytes)}` +
        `${built.reusedBytes === 0 ? '' : `, of which ${sizeText(built.reusedBytes)} are of the earlier pack`}\n`,
    );
    if (built.deltaBytes > 0) {
      terminal.out(`  of which ${sizeText(built.deltaBytes)} are deltas, for devices that have a base\n`);
    }
    terminal.out(`  manifest ${digest}\n`);
    terminal.note(`Next: iotdh pack upload ${folder}`);
  }
}

export async function inspect(terminal: Terminal, path: string, output: Format | undefined): Promise<void> {
  const { manifest, digest, manifestBytes } = await fromAuthor(() => openPack(path));
  const format = formatOf(output, terminal);
  if (format === 'name') return terminal.out(`${manifest.name}@${manifest.version}\n`);
  if (format !== 'table') return printJson(terminal, format, toJson(ManifestSchema, manifest));
  const lines: [string, string][] = [
    ['Pack', `${manifest.name}@${manifest.version}`],
    ['Title', manifest.title],
    ['Summary', manifest.summary],
    ['Kind', (manifest.content.case ?? '').toUpperCase()],
    ['Made', timeText(manifest.createTime)],
    ['Manifest', `${digest} (${sizeText(manifestBytes.length)})`],
  ];
  for (const [header, text] of lines) {
    if (text !== '')
      terminal.out(`${terminal.style('bold', header.padEnd(9))} ${text.replaceAll('\n', '\n          ')}\n`);
  }
  if (manifest.content.case === 'patch') {
    terminal.out(`\n${tableText(componentColumns, manifest.content.value.components, terminal)}`);
  } else if (manifest.content.case === 'base') {
    terminal.out(`\n${tableText(partitionColumns, manifest.content.value.partitions, terminal)}`);
  }
  if (manifest.objects.length > 0) terminal.out(`\n${tableText(objectColumns, manifest.objects, terminal)}`);
}

type Patch = Extract<BuiltPack['manifest']['content'], { case: 'patch' }>['value'];
type Base = Extract<BuiltPack['manifest']['content'], { case: 'base' }>['value'];

const componentColumns = [
  { header: 'COMPONENT', value: ({ id }: Patch['components'][number]) => id },
  { header: 'KIND', value: ({ kind }: Patch['components'][number]) => kind.case ?? '' },
  {
    header: 'FILES',
    value: ({ kind }: Patch['components'][number]) =>
      kind.case === 'hostApplication' || kind.case === 'thirdPartyApplication'
        ? String(kind.value.files?.files.length ?? 0)
        : '',
  },
  { header: 'CHECKS', value: ({ checks }: Patch['components'][number]) => String(checks.length) },
  { header: 'UNDO', value: ({ undo }: Patch['components'][number]) => undo?.kind.case ?? '' },
  { header: 'TITLE', value: ({ title }: Patch['components'][number]) => title },
];

const partitionColumns = [
  { header: 'PARTITION', value: ({ name }: Base['partitions'][number]) => name },
  {
    header: 'AT LEAST',
    value: ({ minPartitionBytes }: Base['partitions'][number]) => sizeText(minPartitionBytes),
  },
  { header: 'DIGEST', value: ({ digest }: Base['partitions'][number]) => hexText(digest) },
];

const objectColumns = [
  { header: 'OBJECT', value: ({ digest }: BuiltPack['manifest']['objects'][number]) => hexText(digest) },
  { header: 'SIZE', value: ({ size }: BuiltPack['manifest']['objects'][number]) => sizeText(size) },
  {
    header: 'CODEC',
    value: ({ encoding }: BuiltPack['manifest']['objects'][number]) => enumText(Codec, encoding.value?.codec),
  },
  {
    header: 'CONTENTS',
    value: ({ contents }: BuiltPack['manifest']['objects'][number]) => String(contents.length),
  },
];
