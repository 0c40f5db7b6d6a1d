/** Windows' version down to its revision, which an update raises and os.release() leaves out. It has not run on Windows yet. */
import { execFileSync } from 'node:child_process';

const key = 'HKLM\\SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion';
const queryMs = 5_000;

/** What `reg query` prints of the revision. */
export const queryRevision = (): string =>
  execFileSync('reg.exe', ['query', key, '/v', 'UBR'], {
    ...{ encoding: 'utf8', timeout: queryMs, windowsHide: true, stdio: ['ignore', 'pipe', 'ignore'] },
  });

/** Such as 10.0.26100.2314; `release` alone where the registry does not tell. */
export function windowsVersion(release: string, query: () => string = queryRevision): string {
  try {
    const [, revision] = /\bUBR\s+REG_DWORD\s+(0x[0-9a-f]{1,8})\b/i.exec(query()) ?? [];
    return revision === undefined ? release : `${release}.${Number(revision)}`;
  } catch {
    return release;
  }
}
