/** Reads a boot environment from its JSON text, believing nothing. */
import {
  type BootEnvironment,
  type SlotName,
  type Spare,
  slotNames,
  type Trial,
} from './boot-environment.ts';

type Members = Record<string, unknown>;

const isMembers = (value: unknown): value is Members => typeof value === 'object' && value !== null;
const isText = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= 256;
export const isSlotName = (value: unknown): value is SlotName => slotNames.some((name) => name === value);

/** Null: this is no boot environment that this agent knows. */
export function readEnvironment(text: string): BootEnvironment | null {
  const value = parsed(text);
  if (!isMembers(value) || value.version !== 1) return null;
  const { good } = value;
  const spare = readSpare(value.spare);
  const trial = value.trial === null ? null : readTrial(value.trial);
  const last = value.last === null ? null : readLast(value.last);
  if (!isSlotName(good) || spare === undefined || trial === undefined || last === undefined) return null;
  const fits = trial === null || (spare.kind === 'whole' && spare.content === trial.content);
  return fits ? { version: 1, good, spare, trial, last } : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function readSpare(value: unknown): Spare | undefined {
  if (!isMembers(value)) return undefined;
  const { kind, content, partitions } = value;
  if (kind === 'void') return { kind };
  if (!isText(content)) return undefined;
  if (kind === 'whole') return { kind, content };
  const named = Array.isArray(partitions) && partitions.every(isText);
  return kind === 'writing' && named ? { kind, content, partitions } : undefined;
}

function readTrial(value: unknown): Trial | undefined {
  if (!isMembers(value)) return undefined;
  const { job, content, armedIn, triesLeft } = value;
  const counted = typeof triesLeft === 'number' && Number.isSafeInteger(triesLeft) && triesLeft >= 0;
  if (!isText(job) || !isText(content) || !isText(armedIn) || !counted) return undefined;
  return { job, content, armedIn, triesLeft };
}

function readLast(value: unknown): BootEnvironment['last'] | undefined {
  if (!isMembers(value)) return undefined;
  const { job, proven } = value;
  return isText(job) && typeof proven === 'boolean' ? { job, proven } : undefined;
}
