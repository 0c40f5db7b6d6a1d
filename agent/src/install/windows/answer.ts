/** What `windows-update.ps1` prints, and what it means. */

/** The Windows Update Agent's OperationResultCode. */
export const resultCodes = {
  notStarted: 0,
  inProgress: 1,
  succeeded: 2,
  succeededWithErrors: 3,
  failed: 4,
  aborted: 5,
} as const;

export type UpdateAnswer = { updateId: string; kbArticles: string[]; resultCode: number; hResult: number };
export type Answer = {
  phase: 'search' | 'download' | 'install' | 'uninstall' | 'error';
  resultCode: number;
  /** As a signed 32-bit number; 0: none. */
  hResult: number;
  restartRequired: boolean;
  updates: UpdateAnswer[];
  /** The machine's build afterwards, such as "10.0.26100.2314". */
  build: string;
  message?: string;
};

/** Reads the last line of the output; null when it is no answer. */
export function readAnswer(output: string): Answer | null {
  const line = output.trim().split('\n').at(-1) ?? '';
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return null;
  }
  return isAnswer(parsed) ? parsed : null;
}

function isAnswer(value: unknown): value is Answer {
  if (typeof value !== 'object' || value === null) return false;
  const answer = value as Partial<Answer>;
  return (
    typeof answer.phase === 'string' &&
    typeof answer.resultCode === 'number' &&
    typeof answer.hResult === 'number' &&
    typeof answer.restartRequired === 'boolean' &&
    typeof answer.build === 'string' &&
    Array.isArray(answer.updates) &&
    answer.updates.every(
      (each) =>
        typeof each.updateId === 'string' &&
        typeof each.resultCode === 'number' &&
        typeof each.hResult === 'number',
    )
  );
}

/** An HRESULT as Microsoft writes it. */
export const hex32 = (hResult: number): string =>
  `0x${(hResult >>> 0).toString(16).toUpperCase().padStart(8, '0')}`;

/** What a site engineer should know about some codes (learn.microsoft.com/windows/deployment/update/windows-update-error-reference). */
const meanings: Readonly<Record<string, string>> = {
  '0x80240016': 'another installation is under way, or a restart is pending',
  '0x8024402C': 'the update source cannot be reached',
  '0x80072EE2': 'the update source did not answer in time',
  '0x8024001E': 'the Windows Update service was stopped',
  '0x80240022': 'every update failed',
  '0x80070070': 'there is not enough room on the disk',
  '0x80240028': 'the update cannot be removed',
};

export function describe(hResult: number): string {
  const code = hex32(hResult);
  const meaning = meanings[code];
  return meaning === undefined ? code : `${code}: ${meaning}`;
}
