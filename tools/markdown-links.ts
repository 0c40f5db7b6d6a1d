/** Links of the documents to files, folders and headings of this repository: what they name is there. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { type Outcome, root, run } from './run.ts';

/** As it is rendered: without code, where a link is only text. */
const prose = (text: string): string => text.replaceAll(/```[\s\S]*?```/g, '').replaceAll(/`[^`\n]*`/g, '');

/** What GitHub makes of a heading: `The hub's quota` is `#the-hubs-quota`. */
export function anchorsOf(text: string): Set<string> {
  const headings = text.replaceAll(/```[\s\S]*?```/g, '').matchAll(/^#+ +(.*?) *$/gm);
  const anchors = new Set<string>();
  for (const [, heading = ''] of headings) {
    const words = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase();
    const anchor = words.replaceAll(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-');
    let unique = anchor;
    for (let n = 1; anchors.has(unique); n += 1) unique = `${anchor}-${n}`;
    anchors.add(unique);
  }
  return anchors;
}

/** Links that lead nowhere, as `file: link`. `read`: the text of a file, or null for what is not there; a folder is an empty text. */
export function deadLinks(files: readonly string[], read: (path: string) => string | null): string[] {
  return files.flatMap((file) => {
    const links = [...prose(read(file) ?? '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, link = '']) => link);
    return links
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? file : normalize(join(dirname(file), path));
        const text = read(target);
        return text === null || (anchor !== undefined && !anchorsOf(text).has(anchor));
      })
      .map((link) => `${file}: ${link}`);
  });
}

function readHere(path: string): string | null {
  const there = join(root, path);
  if (!existsSync(there)) return null;
  return path.endsWith('.md') ? readFileSync(there, 'utf8') : '';
}

export async function markdownLinks(): Promise<Outcome> {
  const listed = await run('git', ['ls-files', '*.md']);
  if (listed.code !== 0) return listed;
  const dead = deadLinks(listed.output.trim().split('\n'), readHere);
  return { code: dead.length === 0 ? 0 : 1, output: dead.map((link) => `${link} leads nowhere`).join('\n') };
}
