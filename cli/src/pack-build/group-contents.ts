/**
 * Decides which contents share an object. Small files are compressed together: it makes them smaller, and thousands of files do
 * not become thousands of objects. A large one has its own, so that a pack which does not change it carries nothing of it.
 */
import { extname } from 'node:path';
import type { Content } from './content.ts';

export type GroupLimits = {
  /** From here on a content has an object of its own. Default 1 MiB. */
  largeBytes?: number;
  /** The most bytes of contents in one group. Default 8 MiB, which is also what the compressor looks back. */
  groupBytes?: number;
};

/** Bounds the descriptions of a group of empty files. */
const maxContents = 10_000;

/** Each content once, by digest. The same contents in the same order make the same groups. */
export function groupContents(contents: readonly Content[], limits: GroupLimits = {}): Content[][] {
  const { largeBytes = 1024 * 1024, groupBytes = 8 * 1024 * 1024 } = limits;
  const once = [...new Map(contents.map((content) => [content.digest, content])).values()];
  const large = once.filter(({ bytes }) => bytes >= largeBytes).map((content) => [content]);

  // Files of one kind compress best together; within a kind they stay in the order of their paths.
  const kindOf = ({ source }: Content) => (source.kind === 'file' ? extname(source.path).toLowerCase() : '');
  const small = once
    .filter(({ bytes }) => bytes < largeBytes)
    .map((content, index) => ({ content, index, kind: kindOf(content) }))
    .sort((a, b) => (a.kind === b.kind ? a.index - b.index : a.kind < b.kind ? -1 : 1));

  const groups: Content[][] = [];
  let group: Content[] = [];
  let filled = 0;
  for (const { content } of small) {
    if (group.length > 0 && (filled + content.bytes > groupBytes || group.length >= maxContents)) {
      groups.push(group);
      group = [];
      filled = 0;
    }
    group.push(content);
    filled += content.bytes;
  }
  return group.length > 0 ? [...large, ...groups, group] : [...large, ...groups];
}
