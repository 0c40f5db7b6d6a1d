/**
 * The objects of updates in Azure Blob Storage: each is one block blob, named by the SHA-256 of its bytes in lower-case hex, and
 * never changes. A manifest's bytes are an object too.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import {
  BlobSASPermissions,
  BlobServiceClient,
  type BlockBlobClient,
  type ContainerClient,
  RestError,
} from '@azure/storage-blob';

export type ObjectsOptions = {
  /** Of the storage account. */
  connectionString: string;
  /** Default `objects`. */
  container?: string;
  now?: () => number;
};

export type Objects = {
  /** Makes the container if it is missing. */
  prepare(): Promise<void>;
  /** Bytes of the object. Null: it is not stored. */
  size(digest: string): Promise<number | null>;
  /** Bytes from `offset`, fewer than `length` at its end. Null: it is not stored. Throws when `offset` lies outside. */
  read(digest: string, offset: number, length: number): Promise<Buffer | null>;
  /** Stores bytes, or a file, under the digest they must have; stored already is success. Throws when they have another. */
  put(digest: string, content: Uint8Array | { path: string }): Promise<void>;
  /** Removes what is stored under the digest, for it to be stored again: bytes that are not what it says. */
  remove(digest: string): Promise<void>;
  /** Which of these are stored. */
  has(digests: readonly string[]): Promise<Set<string>>;
  /** A URL that may create this one object, and not replace it, until `ttlMs` have passed. */
  writeUrl(digest: string, ttlMs: number): Promise<string>;
  /** A URL that may read this one object until `ttlMs` have passed. */
  readUrl(digest: string, ttlMs: number): Promise<string>;
};

const digestPattern = /^[0-9a-f]{64}$/;
const blockBytes = 4 * 1024 * 1024;
const parallelChecks = 16;
/** A clock of Azure's that is behind ours must not refuse what we just signed. */
const clockSkewMs = 5 * 60_000;

async function orNull<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof RestError && error.statusCode === 404) return null;
    throw error;
  }
}

async function digestOf(content: Uint8Array | { path: string }): Promise<string> {
  const hash = createHash('sha256');
  if (content instanceof Uint8Array) return hash.update(content).digest('hex');
  for await (const chunk of createReadStream(content.path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

export function createObjects(options: ObjectsOptions): Objects {
  const { connectionString, container = 'objects', now = Date.now } = options;
  const containerClient: ContainerClient =
    BlobServiceClient.fromConnectionString(connectionString).getContainerClient(container);

  function blob(digest: string): BlockBlobClient {
    if (!digestPattern.test(digest))
      throw new RangeError('an object is named by a SHA-256 in lower-case hex');
    return containerClient.getBlockBlobClient(digest);
  }
  async function size(digest: string): Promise<number | null> {
    return (await orNull(blob(digest).getProperties()))?.contentLength ?? null;
  }
  function url(digest: string, permissions: string, ttlMs: number): Promise<string> {
    return blob(digest).generateSasUrl({
      permissions: BlobSASPermissions.parse(permissions),
      startsOn: new Date(now() - clockSkewMs),
      expiresOn: new Date(now() + ttlMs),
    });
  }

  return {
    async prepare() {
      await containerClient.createIfNotExists();
    },
    size,
    read: (digest, offset, length) => orNull(readRange(blob(digest), offset, length)),
    async put(digest, content) {
      const client = blob(digest);
      if ((await digestOf(content)) !== digest)
        throw new Error(`the content is not that of object ${digest}`);
      const conditions = { ifNoneMatch: '*' };
      try {
        if (content instanceof Uint8Array)
          await client.uploadData(content, { conditions, blockSize: blockBytes });
        else await client.uploadFile(content.path, { conditions, blockSize: blockBytes });
      } catch (error) {
        // 409 BlobAlreadyExists: the same digest is the same bytes.
        if (!(error instanceof RestError) || (error.statusCode !== 409 && error.statusCode !== 412))
          throw error;
      }
    },
    async remove(digest) {
      await blob(digest).deleteIfExists();
    },
    async has(digests) {
      const found = new Set<string>();
      const left = [...new Set(digests)];
      async function check(): Promise<void> {
        for (let digest = left.pop(); digest !== undefined; digest = left.pop())
          if ((await size(digest)) !== null) found.add(digest);
      }
      await Promise.all(Array.from({ length: parallelChecks }, check));
      return found;
    },
    writeUrl: (digest, ttlMs) => url(digest, 'c', ttlMs),
    readUrl: (digest, ttlMs) => url(digest, 'r', ttlMs),
  };
}

async function readRange(client: BlockBlobClient, offset: number, length: number): Promise<Buffer> {
  const { readableStreamBody, contentLength } = await client.download(offset, length);
  if (readableStreamBody === undefined || contentLength === undefined)
    throw new Error('Blob Storage answered without a body');
  const bytes = Buffer.allocUnsafeSlow(Math.min(contentLength, length));
  let filled = 0;
  for await (const chunk of readableStreamBody) {
    const { length: more } = chunk as Buffer;
    if (filled + more > bytes.length) throw new Error(`Blob Storage sent more than ${bytes.length} bytes`);
    bytes.set(chunk as Buffer, filled);
    filled += more;
  }
  if (filled < bytes.length) throw new Error(`Blob Storage sent ${filled} of ${bytes.length} bytes`);
  return bytes;
}
