/** What `windows-slots.ps1` prints, believing nothing. */

export type BootState = {
  /** The GPT GUID of the partition that the running Windows is on. */
  booted: string;
  /** Identifiers of boot entries; '': there is none. */
  default: string;
  sequence: string[];
  shown: string[];
  entries: { id: string; partition: string }[];
};

export type Applied = { files: number; different: string[] };

type Members = Record<string, unknown>;
const isMembers = (value: unknown): value is Members => typeof value === 'object' && value !== null;
const areTexts = (value: unknown): value is string[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'string');
const isEntry = (value: unknown): value is BootState['entries'][number] =>
  isMembers(value) && typeof value.id === 'string' && typeof value.partition === 'string';

/** The members of the last line; null when that is no answer. `message` says why an order failed. */
export function readAnswer(output: string): { done: Members } | { message: string } | null {
  let answer: unknown;
  try {
    answer = JSON.parse(output.trim().split('\n').at(-1) ?? '');
  } catch {
    return null;
  }
  if (!isMembers(answer)) return null;
  if (answer.result === 'failed' && typeof answer.message === 'string') return { message: answer.message };
  return answer.result === 'done' ? { done: answer } : null;
}

export function readBootState(answer: Members): BootState | null {
  const { booted, default: byDefault, sequence, shown, entries } = answer;
  if (typeof booted !== 'string' || typeof byDefault !== 'string') return null;
  if (!areTexts(sequence) || !areTexts(shown)) return null;
  if (!Array.isArray(entries) || !entries.every(isEntry)) return null;
  return { booted, default: byDefault, sequence, shown, entries };
}

export function readApplied({ files, different }: Members): Applied | null {
  return typeof files === 'number' && areTexts(different) ? { files, different } : null;
}
