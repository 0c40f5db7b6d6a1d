import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { clone, create, fromJsonString } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { type Consent, ConsentSchema, Event } from '@iotdh/proto/agent/v1';
import {
  AuditRecordSchema,
  AuditService,
  RecordedApplicationSchema,
  RecordedConsentSchema,
} from '@iotdh/proto/fleet/v1';
import { runHere, startFakeFleet } from '../testing/fake-fleet.ts';
import { maxLineBytes } from './read-trail.ts';
import { bareKey, consentLine, createAuthority, createDevice, timeMs, uuid } from './testing/device.ts';
import type { Verdict } from './verify-trail.ts';

const dayMs = 86_400_000;
const authority = await createAuthority();
const key = await authority.issue('ws-1');

function folderOf(t: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'iotdh-audit-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'root.pem'), authority.pem);
  return folder;
}

async function verify(t: TestContext, lines: readonly string[], ...more: string[]) {
  const folder = folderOf(t);
  const trail = join(folder, 'trail.jsonl');
  writeFileSync(trail, `${lines.join('\n')}\n`);
  const args = ['audit', 'verify', trail, '--root', join(folder, 'root.pem'), ...more, '-o', 'json'];
  const ran = await runHere(args, {});
  const { findings, ...rest } = ran.out === '' ? { findings: [] } : (JSON.parse(ran.out) as Verdict);
  return {
    ...ran,
    ...rest,
    findings,
    found: findings.map(({ kind, deviceId, subject }) => [kind, deviceId, subject].join(' ')),
  };
}

/** Three decisions of ws-1, the first and the last of which led to an update, and their lines. */
function threeDecisions() {
  const device = createDevice('ws-1', key);
  const consents = [device.decide(), device.decide('decline'), device.decide()];
  const lines = consents.map((consent) => consentLine('ws-1', consent));
  return { device, consents, lines, applied: [device.applied(1), device.applied(3)] };
}

/** With one bit changed. */
function flip(bytes: Uint8Array | undefined, index: number): void {
  if (bytes?.[index] !== undefined) bytes[index] ^= 1;
}

function edited(consent: Consent, edit: (consent: Consent) => void): string {
  const copy = clone(ConsentSchema, consent);
  edit(copy);
  return consentLine('ws-1', copy);
}

test('a whole trail of several devices is verified, and a record that came twice counts once', async (t) => {
  const { lines, applied } = threeDecisions();
  const other = createDevice('ws-2', await authority.issue('ws-2'), 2);
  const more = [consentLine('ws-2', other.decide()), other.applied(1)];
  const { code, found, devices, consents } = await verify(t, [...lines, lines[1]!, ...applied, ...more]);
  assert.deepEqual(found, []);
  assert.deepEqual([code, devices, consents], [0, 2, 5]);
});

test('what was changed, taken out, moved, put in or signed by somebody else is named', async (t) => {
  const { device, consents, lines, applied } = threeDecisions();
  const [first, second, third] = consents as [Consent, Consent, Consent];
  const [one, two, three] = lines as [string, string, string];
  const id = (n: number) => uuid(1000 + n);
  const stranger = createDevice('ws-1', await (await createAuthority()).issue('ws-1'), 3);
  const neighbour = createDevice('ws-1', await authority.issue('ws-2'), 4);
  const short = createDevice('ws-1', await authority.issue('ws-1', 30), 5);
  const fork = createDevice('ws-1', key);
  fork.decide('decline');
  const otherText = edited(second, (copy) => {
    copy.shownText = 'Later?';
  });
  const timeless = createDevice('ws-1', key, 7).decide('confirm', null);
  timeless.time = timestampFromMs(timeMs);
  const cases: [what: string, lines: string[], found: string[]][] = [
    ['the text beside the signature', [one, otherText, three], [`tampered ws-1 ${id(2)}`]],
    [
      'a byte of what was signed',
      [one, two, edited(third, (copy) => flip(copy.evidence?.statement, 60))],
      [`tampered ws-1 ${id(3)}`],
    ],
    [
      'a byte of the signature',
      [one, two, edited(third, (copy) => flip(copy.evidence?.signature, 20))],
      [`tampered ws-1 ${id(3)}`],
    ],
    [
      'no evidence',
      [one, two, edited(third, (copy) => void delete copy.evidence)],
      [`unsigned ws-1 ${id(3)}`],
    ],
    ['the first is missing', [two, three], [`missing ws-1 ${id(2)}`]],
    ['one between is missing', [one, three], [`missing ws-1 ${id(3)}`]],
    ['the order', [one, three, two], [`reordered ws-1 ${id(2)}`]],
    [
      'another history from the second on',
      [one, consentLine('ws-1', fork.decide('confirm', timeMs + 1)), three],
      [`broken_chain ws-1 ${id(2)}`, `broken_chain ws-1 ${id(3)}`],
    ],
    [
      'two with one number',
      [one, two, edited(second, () => undefined), consentLine('ws-1', forked(3)), three],
      [`broken_chain ws-1 ${id(3)}`],
    ],
    ['a stranger’s certificate', [consentLine('ws-1', stranger.decide())], [`untrusted ws-1 ${uuid(3001)}`]],
    ['a neighbour’s certificate', [consentLine('ws-1', neighbour.decide())], [`foreign ws-1 ${uuid(4001)}`]],
    ['filed under a neighbour', [consentLine('ws-2', first)], [`foreign ws-2 ${id(1)}`]],
    [
      'after the certificate had ended',
      [consentLine('ws-1', short.decide('confirm', timeMs + 31 * dayMs))],
      [`not_valid_then ws-1 ${uuid(5001)}`],
    ],
    ['no JSON', [one, two, three, '{"consent":'], ['unreadable  line 4']],
    ['a kind of the future', [one, two, three, '{"weather":{}}'], ['unreadable  line 4']],
    [
      'an application that says nothing',
      ['{"application":{"deviceId":"ws-1"}}', applied[0]!.replace('"move"', '"mofe"'), ...lines],
      ['unreadable  line 1', 'unreadable  line 2'],
    ],
    [
      'a statement without a time, signed with a certificate that nobody gave',
      [consentLine('ws-1', createDevice('ws-1', key, 6).decide('confirm', null)), one, two, three],
      ['unreadable  line 1'],
    ],
    [
      'a record with a time, of a statement without one',
      [consentLine('ws-1', timeless), one, two, three],
      [`tampered ws-1 ${uuid(7001)}`],
    ],
  ];
  /** Another decision with this number. */
  function forked(number: number): Consent {
    const again = createDevice('ws-1', key);
    again.decide();
    again.decide('decline');
    for (let made = 3; made < number; made += 1) again.decide();
    return again.decide('decline');
  }
  for (const [what, trail, expected] of cases) {
    const { code, found } = await verify(t, trail);
    assert.deepEqual(found, expected, what);
    assert.equal(code, 1, what);
  }
  assert.ok(device && applied);
});

test('each update that was applied needs the very confirmation that led to it', async (t) => {
  const { device, consents, lines, applied } = threeDecisions();
  const journal = uuid(501);
  const without = await verify(t, [...lines.slice(0, 2), ...applied]);
  assert.deepEqual(without.found, [`no_evidence ws-1 ${journal}/31`]);
  const declined = await verify(t, [...lines, ...applied, device.applied(2)]);
  assert.deepEqual(declined.found, [`no_evidence ws-1 ${journal}/21`]);
  const forged = edited(consents[2]!, (copy) => flip(copy.evidence?.signature, 20));
  const { found } = await verify(t, [...lines.slice(0, 2), forged, ...applied]);
  assert.deepEqual(found, [`tampered ws-1 ${consents[2]!.consentId}`, `no_evidence ws-1 ${journal}/31`]);
  const twice = await verify(t, [...lines, ...applied, applied[0]!]);
  assert.deepEqual(twice.found, [`no_evidence ws-1 ${journal}/11`]);
  const atMachine = await verify(t, [...lines, ...applied, device.applied(4, Event.BOOT_FWUPD)]);
  assert.deepEqual([atMachine.code, atMachine.confirmedAtMachine], [0, [`ws-1: ${journal}/41`]]);
  const byPerson = await verify(t, [...lines, ...applied.slice(1), device.applied(1, Event.SDK_CONFIRMBASE)]);
  assert.deepEqual(byPerson.found, []);
  // Nobody confirms a patch at the machine itself, and no confirmation leads anywhere but to its own half.
  for (const wrong of [
    device.applied(1, Event.BOOT_FWUPD, true),
    device.applied(1, Event.SDK_CONFIRMBASE, true),
    device.applied(1, Event.SDK_CONFIRMPATCH, false),
    device.applied(1, Event.INTEGRITY_OK),
  ]) {
    const forgery = await verify(t, [...lines, ...applied.slice(1), wrong]);
    assert.deepEqual([forgery.found, forgery.confirmedAtMachine], [[`no_evidence ws-1 ${journal}/11`], []]);
    assert.match(forgery.findings[0]?.detail ?? '', /no update begins with/);
  }
});

test('a device certifies no other device', async (t) => {
  const forged = await (await authority.issue('ws-1')).issueAnother('ws-9');
  const { findings } = await verify(t, [consentLine('ws-9', createDevice('ws-9', forged).decide())]);
  assert.equal(findings[0]?.kind, 'untrusted');
  assert.match(findings[0]?.detail ?? '', /no given root has issued CN=ws-9/);
});

test('a device without a certificate is trusted by the fingerprint of its key alone', async (t) => {
  const own = bareKey();
  const lines = [consentLine('ws-3', createDevice('ws-3', own).decide())];
  const fingerprint = createHash('sha256').update(own.publicKey).digest('hex');
  const { findings } = await verify(t, lines);
  assert.equal(findings[0]?.kind, 'untrusted');
  assert.match(findings[0]?.detail ?? '', new RegExp(`--device-key ws-3=${fingerprint}`));
  assert.equal((await verify(t, lines, '--device-key', `ws-3=${fingerprint}`)).code, 0);
  const asAnother = await verify(t, lines, '--device-key', `ws-4=${fingerprint}`);
  assert.equal(asAnother.findings[0]?.kind, 'untrusted', 'it is the key of one device');
  const ofAnotherKind = bareKey('P-384');
  const hash = createHash('sha256').update(ofAnotherKind.publicKey).digest('hex');
  const others = [consentLine('ws-3', createDevice('ws-3', ofAnotherKind).decide())];
  assert.equal((await verify(t, others, '--device-key', `ws-3=${hash}`)).findings[0]?.kind, 'tampered');
});

test('a chain that begins again is said, and is no finding', async (t) => {
  const again = createDevice('ws-1', key, 9);
  const { code, begunAgain } = await verify(t, [
    ...threeDecisions().lines,
    consentLine('ws-1', again.decide()),
  ]);
  assert.deepEqual([code, begunAgain], [0, [`ws-1: ${uuid(9001)}`]]);
});

test('a command line or a file that is not right is told from a trail that is not', async (t) => {
  const folder = folderOf(t);
  const at = (name: string, text: string) => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const root = join(folder, 'root.pem');
  const trail = at('trail', threeDecisions().lines.join('\n'));
  for (const args of [
    [trail],
    [trail, '--root', at('no.pem', 'none')],
    [trail, '--root', at('bad.pem', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')],
    [trail, '--device-key', 'ws-1=12'],
    [join(folder, 'absent'), '--root', root],
    [at('empty', ''), '--root', root],
    [at('long', 'x'.repeat(maxLineBytes + 70_000)), '--root', root],
  ]) {
    assert.equal((await runHere(['audit', 'verify', ...args], {})).code, 2, args.join(' '));
  }
});

test('what is exported is the fleet’s records in the order of the chains, and verifies', async (t) => {
  const { consents, applied } = threeDecisions();
  const receiveTime = timestampFromMs(timeMs);
  const asked: string[] = [];
  const iotdh = await startFakeFleet(t, (router) =>
    router.service(AuditService, {
      listConsents({ deviceId, pageToken }) {
        asked.push(deviceId);
        const recorded = consents
          .toReversed()
          .map((consent) => create(RecordedConsentSchema, { deviceId: 'ws-1', receiveTime, consent }));
        return pageToken === ''
          ? { consents: recorded.slice(0, 2), nextPageToken: 'more' }
          : { consents: recorded.slice(2) };
      },
      listApplications: () => ({
        applications: applied.map((line) => {
          const { kind } = fromJsonString(AuditRecordSchema, line);
          assert.ok(kind.case === 'application');
          return create(RecordedApplicationSchema, kind.value);
        }),
      }),
    }),
  );
  const folder = folderOf(t);
  const out = join(folder, 'trail.jsonl');
  assert.equal((await iotdh('audit', 'export', '--device', 'ws-1', '--out', out)).code, 0);
  assert.deepEqual(asked, ['ws-1', 'ws-1']);
  assert.equal(readFileSync(out, 'utf8').trim().split('\n').length, 5);
  const verified = await runHere(
    ['audit', 'verify', out, '--root', join(folder, 'root.pem')],
    {},
    { tty: true },
  );
  assert.match(verified.out, /^Verified 3 decisions and 2 applied updates of 1 devices/);
  assert.equal((await iotdh('audit', 'export', '--out', out)).code, 2, 'it is there already');
  const listed = await iotdh('audit', 'list', '-o', 'table');
  assert.match(listed.out, /N\. Seven +declined +patch/);
});
