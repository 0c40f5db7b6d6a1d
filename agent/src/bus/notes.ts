/** What the bus tells whoever keeps the agent's log, and how secrets stay out of it. */

/** One line. `detail` has been redacted. */
export type Note = { level: 'info' | 'warn'; what: string; detail?: string };
export type Notes = (note: Note) => void;

const secrets: [RegExp, string][] = [
  [/SharedAccessKey=[^;\s"']*/gi, 'SharedAccessKey=***'],
  [/SharedAccessSignature=[^;"']*/gi, 'SharedAccessSignature=***'],
  [/\bsig=[^&\s"']*/gi, 'sig=***'],
  [/-----BEGIN[\s\S]*?-----END[^-]*-----/g, '***'],
];

/** A text without keys, tokens and certificates, of at most 500 characters. */
export function redacted(text: string): string {
  return secrets.reduce((rest, [secret, instead]) => rest.replace(secret, instead), text).slice(0, 500);
}

export const describe = (error: unknown): string =>
  redacted(error instanceof Error ? error.message || error.name : String(error));
