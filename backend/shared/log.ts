/**
 * The log of a service: one JSON object a line. Secrets are left out here, at the source: by the name of a field and by what
 * a text looks like. No patient data is ever given to it.
 */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type Fields = Record<string, unknown>;

export type Log = Record<LogLevel, (message: string, fields?: Fields) => void> & {
  /** A log that adds these fields to each of its lines. */
  with(fields: Fields): Log;
};

export type LogOptions = {
  service: string;
  /** Lines less serious than this are not written. Default `info`. */
  level?: LogLevel;
  /** Takes one line, without its end. Default: standard output. */
  write?: (line: string) => void;
  now?: () => number;
};

const order: readonly LogLevel[] = ['debug', 'info', 'warn', 'error'];
const hidden = '[redacted]';
const maxTextLength = 2_000;
const maxDepth = 5;
const maxItems = 50;

const secretName =
  /(token|secret|password|passphrase|authorization|cookie|signature|credential|connectionstring|(?:account|private|shared|access)_?key)s?$/i;

/** What gives a secret away wherever it stands: keys of connection strings, signatures of SAS, user info of URIs, PEM keys. */
const secretTexts: readonly [RegExp, string][] = [
  [/\b((?:SharedAccess|Account)(?:Key|Signature)=)[^;"\s]+/gi, `$1${hidden}`],
  [/([?&; ]sig=)[^&\s"]+/gi, `$1${hidden}`],
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^/@\s"]+@/gi, `$1${hidden}@`],
  [/\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+/gi, `$1 ${hidden}`],
  [/-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g, hidden],
];

/** The text without what looks like a secret, cut to 2,000 characters. */
export function redactText(text: string): string {
  const cut = text.length > maxTextLength ? `${text.slice(0, maxTextLength)}…` : text;
  return secretTexts.reduce((result, [pattern, instead]) => result.replace(pattern, instead), cut);
}

function redact(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Date) return value;
  if (depth >= maxDepth) return '…';
  if (value instanceof Error) return describeError(value, depth);
  if (value instanceof Uint8Array) return `${value.byteLength} bytes`;
  if (Array.isArray(value)) return value.slice(0, maxItems).map((item) => redact(item, depth + 1));
  const entries = Object.entries(value).slice(0, maxItems);
  return Object.fromEntries(
    entries.map(([name, item]) => [name, secretName.test(name) ? hidden : redact(item, depth + 1)]),
  );
}

/** Name, code and message; the stack only for what is a bug rather than a failure of the surroundings. */
function describeError(error: Error, depth: number): Fields {
  const { name, message, cause } = error;
  const code = 'code' in error ? error.code : undefined;
  const isBug = error instanceof TypeError || error instanceof RangeError || error instanceof ReferenceError;
  return {
    name,
    ...(code !== undefined && { code: redact(code, depth + 1) }),
    message: redactText(message),
    ...(isBug && error.stack !== undefined && { stack: redactText(error.stack) }),
    ...(cause !== undefined && { cause: redact(cause, depth + 1) }),
  };
}

export function createLog(options: LogOptions): Log {
  const { service, level = 'info', now = Date.now } = options;
  const write = options.write ?? ((line) => void process.stdout.write(`${line}\n`));
  const least = order.indexOf(level);

  function withFields(common: Fields): Log {
    const at =
      (name: LogLevel) =>
      (message: string, fields: Fields = {}) => {
        if (order.indexOf(name) < least) return;
        const time = new Date(now()).toISOString();
        const rest = redact({ ...common, ...fields }, 0) as Fields;
        write(JSON.stringify({ time, level: name, service, message: redactText(message), ...rest }));
      };
    return {
      debug: at('debug'),
      info: at('info'),
      warn: at('warn'),
      error: at('error'),
      with: (fields) => withFields({ ...common, ...fields }),
    };
  }
  return withFields({});
}

/** Says nothing. */
export const silentLog: Log = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  with: () => silentLog,
};
