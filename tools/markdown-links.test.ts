import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deadLinks } from './markdown-links.ts';

const files: Record<string, string> = {
  'README.md': `# One
[two](docs/two.md#the-hubs-quota) [folder](docs) [itself](#one) [web](https://example.org/x#y) \`[code](no)\`
\`\`\`
[code](no)
\`\`\`
[gone](docs/three.md) [no heading](docs/two.md#quota)`,
  docs: '',
  'docs/two.md': "## The `hub`'s quota\n[back](../README.md#one-1) [up](../README.md)",
};

test('a link to a file or a heading that is not there is named, and code is no link', () => {
  assert.deepEqual(
    deadLinks(['README.md', 'docs/two.md'], (path) => files[path] ?? null),
    ['README.md: docs/three.md', 'README.md: docs/two.md#quota', 'docs/two.md: ../README.md#one-1'],
  );
});
