/** `iotdh audit list|export|verify`: the evidence of what persons agreed to. */
import { X509Certificate } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { create, fromBinary, toJsonString } from '@bufbuild/protobuf';
import { ConsentStatementSchema } from '@iotdh/proto/agent/v1';
import { type AuditRecord, AuditRecordSchema, type RecordedConsent } from '@iotdh/proto/fleet/v1';
import type { Finding } from '../audit/finding.ts';
import { readTrail } from '../audit/read-trail.ts';
import type { Trust } from '../audit/verify-signature.ts';
import { type Verdict, verifyTrail } from '../audit/verify-trail.ts';
import { readPages } from '../connection/pages.ts';
import { exitCode } from '../exit-code.ts';
import { Failure } from '../failure.ts';
import { type Format, formatOf, printJson, printList } from '../output/format.ts';
import { tableText } from '../output/table.ts';
import type { Terminal } from '../terminal.ts';
import { consentView } from '../views/consent.ts';
import { type Context, noteMore } from './context.ts';

/** More than that is exported device by device. */
const maxExported = 1_000_000;

export type ListOptions = { device?: string; limit: number };

export async function listConsents(context: Context, options: ListOptions): Promise<void> {
  const { terminal, format } = context;
  const { items, more } = await consentsOf(context, options.device ?? '', options.limit);
  await printList(terminal, format, consentView, items, 'Nobody has decided about an update yet.');
  noteMore(terminal, more, options.limit);
}

const consentsOf = ({ terminal: { signal }, fleet }: Context, deviceId: string, limit: number) =>
  readPages(limit, async (pageSize, pageToken) => {
    const page = await fleet.audit.listConsents({ deviceId, pageSize, pageToken }, { signal });
    return { items: page.consents, nextPageToken: page.nextPageToken };
  });

const applicationsOf = ({ terminal: { signal }, fleet }: Context, deviceId: string) =>
  readPages(maxExported, async (pageSize, pageToken) => {
    const page = await fleet.audit.listApplications({ deviceId, pageSize, pageToken }, { signal });
    return { items: page.applications, nextPageToken: page.nextPageToken };
  });

export type ExportOptions = { device?: string; out: string };

/** Writes the whole trail of the fleet, or of one device, the oldest record first. */
export async function exportTrail(context: Context, { device = '', out }: ExportOptions): Promise<void> {
  const { terminal } = context;
  const applications = await applicationsOf(context, device);
  // Afterwards: so that no move is there whose confirmation was still on its way.
  const consents = await consentsOf(context, device, maxExported);
  if (consents.more || applications.more) {
    throw new Failure(exitCode.failed, `there are more than ${maxExported} records`, {
      next: 'Export the devices one by one, with --device.',
    });
  }
  const records: AuditRecord[] = [
    ...consents.items.toSorted(inChain).map((value) => record({ case: 'consent', value })),
    ...applications.items.reverse().map((value) => record({ case: 'application', value })),
  ];
  const path = resolve(terminal.cwd, out);
  const file = await open(path, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'EEXIST' ? 'is there already' : `cannot be written: ${cause.message}`;
    throw new Failure(exitCode.usage, `${path} ${why}`, { cause });
  });
  try {
    for (const one of records) await file.write(`${toJsonString(AuditRecordSchema, one)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  terminal.note(
    `${consents.items.length} decisions and ${applications.items.length} applied updates in ${path}`,
  );
  terminal.note(`Next: iotdh audit verify ${out} --root ROOT.pem`);
}

const record = (kind: AuditRecord['kind']): AuditRecord => create(AuditRecordSchema, { kind });

/** By device, by chain in the order in which its first record came, by number. What has none comes as it was received. */
function inChain(a: RecordedConsent, b: RecordedConsent): number {
  if (a.deviceId !== b.deviceId) return a.deviceId < b.deviceId ? -1 : 1;
  const [one, other] = [chainOf(a), chainOf(b)];
  if (one !== null && one.chainId === other?.chainId) return Number(one.number - other.number);
  return receivedMs(a) - receivedMs(b);
}

const receivedMs = ({ receiveTime }: RecordedConsent): number =>
  Number(receiveTime?.seconds ?? 0n) * 1_000 + (receiveTime?.nanos ?? 0) / 1e6;

function chainOf({ consent }: RecordedConsent): { chainId: string; number: bigint } | null {
  try {
    return fromBinary(ConsentStatementSchema, consent?.evidence?.statement ?? new Uint8Array());
  } catch {
    return null;
  }
}

export type VerifyOptions = { root?: string[]; deviceKey?: string[]; output?: Format };

/** Answers with the exit code: 1 when anything is wrong with the trail. Needs no network. */
export async function verify(terminal: Terminal, path: string, options: VerifyOptions): Promise<number> {
  const trust = await trustOf(terminal, options);
  const verdict = verifyTrail(await readTrail(resolve(terminal.cwd, path)), trust);
  await print(terminal, formatOf(options.output, terminal), verdict);
  return verdict.findings.length === 0 ? exitCode.ok : exitCode.failed;
}

async function trustOf(terminal: Terminal, { root = [], deviceKey = [] }: VerifyOptions): Promise<Trust> {
  const roots: X509Certificate[] = [];
  for (const path of root) roots.push(...(await certificatesIn(resolve(terminal.cwd, path))));
  const deviceKeys = new Map<string, string[]>();
  for (const word of deviceKey) {
    const [, deviceId, fingerprint] = /^([^=]+)=([0-9a-f]{64})$/i.exec(word) ?? [];
    if (deviceId === undefined || fingerprint === undefined) {
      throw new Failure(exitCode.usage, `${word} is no key of a device: write DEVICE=SHA256, 64 hex digits`);
    }
    deviceKeys.set(deviceId, [...(deviceKeys.get(deviceId) ?? []), fingerprint.toLowerCase()]);
  }
  if (roots.length === 0 && deviceKeys.size === 0) {
    throw new Failure(exitCode.usage, 'nothing says whose signatures to trust', {
      next: 'Give the certificate of the devices’ authority with --root, or a device’s own key with --device-key.',
    });
  }
  return { roots, deviceKeys };
}

async function certificatesIn(path: string): Promise<X509Certificate[]> {
  const text = await readFile(path, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    throw new Failure(exitCode.usage, `${path} cannot be read: ${cause.message}`, { cause });
  });
  const pems = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g);
  if (pems === null) throw new Failure(exitCode.usage, `${path} holds no certificate in PEM`);
  return pems.map((pem) => {
    try {
      return new X509Certificate(pem);
    } catch (cause) {
      throw new Failure(exitCode.usage, `${path} holds a certificate that cannot be read`, { cause });
    }
  });
}

async function print(terminal: Terminal, format: Format, verdict: Verdict): Promise<void> {
  const { devices, consents, applications, confirmedAtMachine, begunAgain, findings } = verdict;
  if (format === 'name') for (const { subject } of findings) terminal.out(`${subject}\n`);
  else if (format !== 'table') await printJson(terminal, format, verdict);
  else {
    if (findings.length > 0) terminal.out(tableText(findingColumns, findings, terminal));
    const what = `${consents} decisions and ${applications} applied updates of ${devices} devices`;
    terminal.out(
      findings.length === 0
        ? `${terminal.style('green', 'Verified')} ${what}: nothing is missing or changed.\n`
        : `${terminal.style('red', `${findings.length} findings`)} in ${what}.\n`,
    );
    for (const one of confirmedAtMachine)
      terminal.note(`Confirmed at the machine, by nobody that is named: ${one}`);
    for (const one of begunAgain)
      terminal.note(`Another chain begins, as after a new installation, at ${one}`);
  }
}

const findingColumns = [
  { header: 'FINDING', value: ({ kind }: Finding) => kind },
  { header: 'DEVICE', value: ({ deviceId }: Finding) => deviceId },
  { header: 'RECORD', value: ({ subject }: Finding) => subject },
  { header: 'WHAT', value: ({ detail }: Finding) => detail },
];
