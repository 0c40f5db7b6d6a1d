/**
 * Takes out of a log line whatever could be about a patient, and secrets. It knows shapes, not meanings, so it rather takes
 * too much: a date without a time goes, whatever it is the date of. The host application has redacted before.
 */
import { clone } from '@bufbuild/protobuf';
import { type LogEntry, LogEntrySchema } from '@iotdh/proto/agent/v1';

/** Names of fields that hold what identifies a patient: DICOM's keywords (PS3.6), and how logs abbreviate them. */
const keys =
  '(?:patient|pat|pt)(?:[\\w.]|-(?=\\w))*|(?:birth|dob|mrn|ssn|nhs|medical_?record|accession|referring)(?:[\\w.]|-(?=\\w))*|date_?of_?birth|other_?patient\\w*';
const key = new RegExp(`^(?:${keys})$`, 'i');

type Rule = readonly [pattern: RegExp, instead: string];

const rules: readonly Rule[] = [
  // A data element of the patient's group (PS3.6, 0010,xxxx), with all that a dump shows of it.
  [/\(0010,\s?[0-9a-f]{4}\)[^\n]*/gi, '(0010,…) [redacted]'],
  // "patientName": "…", PatientID=…, dob: …; the value in quotes, or up to what ends a value.
  [new RegExp(`(["']?\\b(?:${keys})["']?\\s*[=:]\\s*)("[^"]*"|'[^']*'|\\[[^\\]]*\\])`, 'gi'), '$1[redacted]'],
  [
    new RegExp(
      `(\\b(?:${keys})\\s*[=:]\\s*)[^\\s,;|)}\\]"'\\[][^,;|)}\\]\\n=]*(?=\\s+[\\w.]+=|[,;|)}\\]\\n]|$)`,
      'gi',
    ),
    '$1[redacted]',
  ],
  // "patient John Doe", "patient 4711".
  [
    /\b(patient|pt\.)(\s+(?:id|name|no\.?|number|mr|mrs|ms|dr)\.?)?\s+(?:\p{Lu}[\p{L}'’-]+(?:,?\s+\p{Lu}[\p{L}'’.-]*)*|[A-Z]*\d[\w-]*)/gu,
    '$1$2 [redacted]',
  ],
  // The value representation PN (PS3.5, 6.2): components with carets between them.
  [/[\p{L}\p{M}'’.-]{1,64}(?: [\p{L}\p{M}'’.-]{1,64}){0,2}\^[\p{L}\p{M}'’. ^=-]*/gu, '[name]'],
  // A UID (PS3.5, 9) of an instance; those of the standard itself name no patient.
  [/(?<![\d.])(?!1\.2\.840\.10008\.)[0-2](?:\.(?:0|[1-9]\d*)){5,}/g, '[uid]'],
  // A day without a time: 1957-03-12, 12.03.1957, 3/12/1957, 19570312.
  [
    /(?<![\d.-])(?:19|20)\d\d([-/.])(?:0?[1-9]|1[0-2])\1(?:0?[1-9]|[12]\d|3[01])(?![\dT.-]|\s\d\d:)/g,
    '[date]',
  ],
  [
    /(?<![\d.-])(?:0?[1-9]|[12]\d|3[01])([-/.])(?:0?[1-9]|[12]\d|3[01])\1(?:19|20)\d\d(?![\d.-]|\s\d\d:)/g,
    '[date]',
  ],
  [/(?<![\w.-])(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?![\w-]|\.\d)/g, '[date]'],
  // Secrets of our own.
  [/(SharedAccessKey=)[^;\s"']*/gi, '$1[secret]'],
  [/(SharedAccessSignature[=\s])[^;"'\n]*/gi, '$1[secret]'],
  [/(\bsig=)[^&\s"']*/gi, '$1[secret]'],
  [/(\bBearer\s+)[\w.~+/=-]+/gi, '$1[secret]'],
  [/-----BEGIN[\s\S]*?-----END[^-]*-----/g, '[secret]'],
];

/** The text without what could identify a patient. */
export function redactText(text: string): string {
  return rules.reduce((rest, [pattern, instead]) => rest.replace(pattern, instead), text);
}

/** A copy of the line, redacted in its text and in its attributes. */
export function redactEntry(entry: LogEntry): LogEntry {
  const redacted = clone(LogEntrySchema, entry);
  redacted.message = redactText(entry.message);
  for (const [name, value] of Object.entries(entry.attributes)) {
    redacted.attributes[name] = key.test(name) ? '[redacted]' : redactText(value);
  }
  return redacted;
}
