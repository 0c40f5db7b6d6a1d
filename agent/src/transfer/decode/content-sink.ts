/** Decoded bytes become contents: cut where the manifest says that one ends, each into the store under its digest. */
import type { ContentStore, ContentWriter } from '../content-store.ts';

/** `undecodable`: its bytes are not what the manifest says that they yield. Contents before the fault may be in the store. */
export type DecodeOutcome = { kind: 'decoded' } | { kind: 'undecodable'; detail: string };

/** What decoding needs of an object. Digests as hex, sizes in bytes. */
export type DecodeOptions = {
  /** The object. */
  path: string;
  /** What lies end to end in the decoded bytes. */
  contents: readonly { digest: string; size: number }[];
  store: ContentStore;
  signal: AbortSignal;
};

export class Undecodable extends Error {}

export type ContentSink = {
  /** Throws an `Undecodable` when that is more than the contents have, or a content has another digest. */
  take(bytes: Uint8Array): Promise<void>;
  /** Throws an `Undecodable` when that was too little. */
  end(): void;
};

/** Decodes by `work`, bounded by what the contents have. Throws what is neither the object's fault nor in `faultOf`. */
export async function decodeInto(
  { contents, store }: DecodeOptions,
  work: (sink: ContentSink) => Promise<void>,
  faultOf: (error: unknown) => string | undefined = () => undefined,
): Promise<DecodeOutcome> {
  let writer: ContentWriter | undefined;
  let index = -1;
  /** Bytes that the content of `index` still lacks. */
  let lacking = 0;

  async function finish(): Promise<void> {
    const { digest } = contents[index]!;
    const finishing = writer;
    writer = undefined;
    if (finishing !== undefined && !(await finishing.finish()))
      throw new Undecodable(`content ${digest} has another digest`);
  }

  /** Goes on to the next content that has bytes. */
  async function advance(): Promise<void> {
    while (lacking === 0) {
      if (index >= 0 && index < contents.length) await finish();
      index += 1;
      const content = contents[index];
      if (content === undefined) return;
      lacking = content.size;
      if (!store.has(content.digest)) writer = await store.write(content.digest);
    }
  }

  const sink: ContentSink = {
    async take(bytes) {
      for (let rest = bytes; rest.length > 0; ) {
        if (index >= contents.length) throw new Undecodable('it yields more bytes than its contents have');
        const part = rest.subarray(0, lacking);
        await writer?.add(part);
        lacking -= part.length;
        rest = rest.subarray(part.length);
        await advance();
      }
    },
    end() {
      if (index < contents.length) throw new Undecodable('it yields fewer bytes than its contents have');
    },
  };

  try {
    await advance();
    await work(sink);
    sink.end();
    return { kind: 'decoded' };
  } catch (error) {
    await writer?.abandon();
    const detail = error instanceof Undecodable ? error.message : faultOf(error);
    if (detail === undefined) throw error;
    return { kind: 'undecodable', detail };
  }
}
