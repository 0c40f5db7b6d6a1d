/** Reads an exported audit trail: one AuditRecord in ProtoJSON a line. Whatever does not read is a finding, never skipped. */
import { open } from 'node:fs/promises';
import { fromJsonString } from '@bufbuild/protobuf';
import { type Consent, type ConsentStatement, ConsentStatementSchema } from '@iotdh/proto/agent/v1';
import { type AuditRecord, AuditRecordSchema, type RecordedApplication } from '@iotdh/proto/fleet/v1';
import { createPayloadReader, violationsOf } from '@iotdh/proto/payload';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import type { Finding } from './finding.ts';

/** A decision with what was signed about it. */
export type SignedConsent = {
  line: number;
  /** As the backend files it. */
  deviceId: string;
  consent: Consent;
  statement: ConsentStatement;
};

export type Trail = {
  consents: SignedConsent[];
  applications: (RecordedApplication & { line: number })[];
  findings: Finding[];
};

/** The contract's most. */
const maxStatementBytes = 64 * 1024;
/** Two copies of the longest record fit: 64 KiB of statement, and the text beside it with every character escaped. */
export const maxLineBytes = 1024 * 1024;
/** What is kept in memory for verification; a fleet of 1,000 devices updated monthly takes 80 years to get there. */
const maxRecords = 1_000_000;

/** Throws a `Failure` when the file cannot be read or holds nothing. */
export const readTrail = (path: string): Promise<Trail> => readLines(linesOf(path), path);

/** The trail in these lines. Throws a `Failure`, which names `source`, when there is none, or too many. */
export async function readLines(lines: AsyncIterable<string>, source: string): Promise<Trail> {
  const trail: Trail = { consents: [], applications: [], findings: [] };
  let line = 0;
  for await (const text of lines) {
    line += 1;
    if (text === '') continue;
    if (line > maxRecords) throw new Failure(exitCode.usage, `${source} has more than ${maxRecords} lines`);
    const record = parse(text);
    if (typeof record === 'string') trail.findings.push(unreadable(line, record));
    else take(trail, record, line);
  }
  if (line === 0) throw new Failure(exitCode.usage, `${source} is empty`);
  return trail;
}

function take(trail: Trail, { kind }: AuditRecord, line: number): void {
  switch (kind.case) {
    case 'application':
      trail.applications.push({ ...kind.value, line });
      return;
    case 'consent': {
      const { deviceId, consent } = kind.value;
      if (consent === undefined) break;
      const { consentId, evidence } = consent;
      if (evidence === undefined) {
        const detail = 'it carries no evidence: made by an agent that did not sign, or taken out';
        trail.findings.push({ kind: 'unsigned', deviceId, subject: consentId, detail });
        return;
      }
      const statement = readStatement(evidence.statement);
      if (statement.kind !== 'valid') {
        const detail = 'the signed bytes are no statement about a consent';
        trail.findings.push({ kind: 'tampered', deviceId, subject: consentId, detail });
        return;
      }
      trail.consents.push({ line, deviceId, consent, statement: statement.message });
      return;
    }
    default:
  }
  trail.findings.push(unreadable(line, 'its kind is not known to this version of iotdh'));
}

const unreadable = (line: number, detail: string): Finding => ({
  ...{ kind: 'unreadable', deviceId: '', subject: `line ${line}`, detail },
});

/** The record, or what is wrong with the line. */
function parse(text: string): AuditRecord | string {
  let record: AuditRecord;
  try {
    record = fromJsonString(AuditRecordSchema, text, { ignoreUnknownFields: true });
  } catch {
    return 'it is no record of the audit trail';
  }
  const [broken] = violationsOf(AuditRecordSchema, record);
  return broken === undefined
    ? record
    : `${broken.field || 'it'} is not as the contract has it: ${broken.message}`;
}

const readStatement = createPayloadReader(ConsentStatementSchema, { maxBytes: maxStatementBytes });

/** Lines of bounded length, because the file may come from anybody. */
async function* linesOf(path: string): AsyncGenerator<string, void, undefined> {
  const file = await open(path, 'r').catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(exitCode.usage, `${path} cannot be read: ${cause.message}`, { cause });
  });
  try {
    const buffer = Buffer.alloc(64 * 1024);
    let rest = Buffer.alloc(0);
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length);
      if (bytesRead === 0) break;
      rest = Buffer.concat([rest, buffer.subarray(0, bytesRead)]);
      let begin = 0;
      for (let end = rest.indexOf(10); end >= 0; end = rest.indexOf(10, begin)) {
        yield rest.toString('utf8', begin, end).trim();
        begin = end + 1;
      }
      rest = rest.subarray(begin);
      if (rest.length > maxLineBytes) {
        throw new Failure(
          exitCode.usage,
          `${path} has a line of more than ${maxLineBytes} bytes: it is no audit trail`,
        );
      }
    }
    if (rest.length > 0) yield rest.toString('utf8').trim();
  } finally {
    await file.close();
  }
}
