/** A service pack of any size: random bytes in files of 64 MiB, on disk and never in memory as a whole. */
import { createHash, randomBytes } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Codec, FileSetMode, ManifestSchema, type ObjectSchema } from '@iotdh/proto/update/v1';

export type Pack = { manifest: { digest: Buffer; size: number }; name: string; version: string };

const fileBytes = 64 * 1024 * 1024;
const segmentBytes = 1024 * 1024;
const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** Stores the pack's objects and its manifest in `folder`, each under its digest. */
export function makePack(folder: string, bytes: number): Pack {
  mkdirSync(folder, { recursive: true });
  const objects: MessageInitShape<typeof ObjectSchema>[] = [];
  for (let left = bytes; left > 0; left -= fileBytes) {
    objects.push(makeObject(folder, Math.min(left, fileBytes)));
  }
  const manifest = create(ManifestSchema, {
    formatVersion: 1,
    name: 'bench',
    version: '1.0',
    title: 'Random bytes',
    createTime: timestampFromMs(Date.now()),
    content: {
      case: 'patch',
      value: {
        components: [
          {
            id: 'app',
            title: 'The host application',
            kind: {
              case: 'hostApplication',
              value: {
                product: { product: 'Bench', version: '1.0' },
                files: {
                  root: 'app',
                  mode: FileSetMode.REPLACE_ROOT,
                  files: objects.map(({ digest }, index) => ({ path: `file-${index}`, digest: digest! })),
                },
              },
            },
            checks: [{ title: 'every file is what it should be', kind: { case: 'filesMatch', value: {} } }],
            undo: { kind: { case: 'restorePrevious', value: {} } },
          },
        ],
      },
    },
    objects,
  });
  const encoded = toBinary(ManifestSchema, manifest);
  const digest = sha256(encoded);
  writeFileSync(join(folder, digest.toString('hex')), encoded);
  return { manifest: { digest, size: encoded.length }, name: 'bench', version: '1.0' };
}

function makeObject(folder: string, size: number): MessageInitShape<typeof ObjectSchema> {
  const bytes = randomBytes(size);
  const digests: Buffer[] = [];
  for (let offset = 0; offset < size; offset += segmentBytes) {
    digests.push(sha256(bytes.subarray(offset, offset + segmentBytes)));
  }
  const digest = sha256(bytes);
  writeFileSync(join(folder, digest.toString('hex')), bytes);
  return {
    digest,
    size: BigInt(size),
    contents: [{ digest, size: BigInt(size) }],
    encoding: { case: 'whole', value: { codec: Codec.NONE } },
    segmentSize: segmentBytes,
    segmentDigests: { case: 'segments', value: { digests } },
  };
}

/** What is stored under a digest, from `offset` on, at most `length` bytes. */
export function readObject(folder: string, digestHex: string, offset: number, length: number): Buffer {
  const file = openSync(join(folder, digestHex), 'r');
  try {
    const bytes = Buffer.alloc(length);
    return bytes.subarray(0, readSync(file, bytes, 0, length, offset));
  } finally {
    closeSync(file);
  }
}
