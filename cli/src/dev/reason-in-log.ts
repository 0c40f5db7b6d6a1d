/** Finds in what a process wrote the line that says why it ended. */

const maxReason = 500;

/** As Node.js, Python, MongoDB and the local hub say it. */
const portInUse = /EADDRINUSE|address already in use|port \d+ on \S+ is in use/i;

/** Whether it says that somebody else has a port that the process wanted. */
export const saysPortTaken = (text: string): boolean => portInUse.test(text);

/**
 * The last error that was logged as JSON or that Node.js printed for an uncaught one, else the last line. Empty when nothing was
 * written.
 */
export function reasonInLog(text: string): string {
  const lines = text
    .split('\n')
    .map((line) => line.trimEnd())
    .filter((line) => line !== '' && !/^Node\.js v\d/.test(line));
  const reason = lines.map(loggedError).findLast((found) => found !== undefined);
  const uncaught = lines.findLast((line) => /^\w*Error(?: \[\w+\])?: ./.test(line));
  return (reason ?? uncaught ?? lines.at(-1) ?? '').slice(0, maxReason);
}

function loggedError(line: string): string | undefined {
  if (!line.startsWith('{')) return undefined;
  try {
    const { level, message, error } = JSON.parse(line) as Readonly<Record<string, unknown>>;
    if (level !== 'error' || typeof message !== 'string') return undefined;
    return error === undefined ? message : `${message}: ${wordsOf(error)}`;
  } catch {
    return undefined;
  }
}

const wordsOf = (error: unknown): string => {
  if (typeof error === 'string') return error.split('\n')[0] ?? '';
  const { message } = (error ?? {}) as { message?: unknown };
  return typeof message === 'string' ? message : JSON.stringify(error);
};
