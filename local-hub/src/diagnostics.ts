/**
 * The log of the local hub: one line for each thing that the person at the laptop should know, saying what happened, why,
 * and what to do next. Repetitions are counted instead of printed, so that a reconnecting client cannot flood the terminal.
 */

/** What a line says. Never a key, a token or a message body. */
export type Finding = {
  /** What happened, as a short clause: `MQTT connection refused`. */
  what: string;
  deviceId?: string;
  /** Why: `the SAS token expired 3 min ago`. */
  reason: string;
  /** What happens next, or what to do about it: `sign a new token`. */
  next?: string;
};

export type Log = {
  info(finding: Finding): void;
  warn(finding: Finding): void;
};

export type LogOptions = {
  /** Receives each finished line, without a line break. */
  write(line: string): void;
  /** The time in ms. Default: Date.now. */
  now?: () => number;
  /** `text` for people, `json` for machines. Default `text`. */
  format?: 'text' | 'json';
  /** How long a repeated line stays silent, in ms. Default 10 s. */
  quietMs?: number;
};

/** How many different lines are remembered for counting repetitions. */
const maxRemembered = 256;
const maxFieldLength = 400;

/** A log that throws everything away, for tests and embedding. */
export const silentLog: Log = { info() {}, warn() {} };

/** Makes one field safe for a terminal: outside input may hold line breaks, escape sequences or megabytes. */
function printable(text: string): string {
  const clean = text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?');
  return clean.length > maxFieldLength ? `${clean.slice(0, maxFieldLength)}…` : clean;
}

function asText(finding: Finding, repeated: number): string {
  const device = finding.deviceId === undefined ? '' : ` (device ${printable(finding.deviceId)})`;
  const next = finding.next === undefined ? '' : ` ${printable(finding.next)}.`;
  const times = repeated === 0 ? '' : ` [and ${repeated} more like this]`;
  return `${printable(finding.what)}${device}: ${printable(finding.reason)}.${next}${times}`;
}

function asJson(finding: Finding, level: string, nowMs: number, repeated: number): string {
  const { what, deviceId, reason, next } = finding;
  const time = new Date(nowMs).toISOString();
  return JSON.stringify({ time, level, what, deviceId, reason, next, ...(repeated > 0 && { repeated }) });
}

/** Creates the log. The same finding within `quietMs` is only counted; the count comes with its next line. */
export function createLog(options: LogOptions): Log {
  const { write, now = Date.now, format = 'text', quietMs = 10_000 } = options;
  const remembered = new Map<string, { printedMs: number; silenced: number }>();

  function print(level: 'info' | 'warn', finding: Finding): void {
    const nowMs = now();
    const key = `${finding.what}\n${finding.deviceId ?? ''}\n${finding.reason}`
      .slice(0, 3 * maxFieldLength)
      // A client that tries again and again comes from another port each time.
      .replaceAll(/:\d{2,5}\b/g, '');
    const last = remembered.get(key);
    if (last !== undefined && nowMs - last.printedMs < quietMs) {
      last.silenced += 1;
      return;
    }
    remembered.delete(key);
    remembered.set(key, { printedMs: nowMs, silenced: 0 });
    if (remembered.size > maxRemembered) remembered.delete(remembered.keys().next().value ?? '');
    const repeated = last?.silenced ?? 0;
    write(format === 'json' ? asJson(finding, level, nowMs, repeated) : asText(finding, repeated));
  }

  return {
    info: (finding) => print('info', finding),
    warn: (finding) => print('warn', finding),
  };
}
