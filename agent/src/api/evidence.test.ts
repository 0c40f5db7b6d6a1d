import assert from 'node:assert/strict';
import { createHash, createPublicKey, verify } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { create, fromBinary } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type Consent,
  ConsentSchema,
  type ConsentStatement,
  ConsentStatementSchema,
  State,
} from '@iotdh/proto/agent/v1';
import { certifiedSigner } from '../enrolment/consent-signer.ts';
import { makeKey } from '../enrolment/signing-request.ts';
import { createEvidence } from './evidence.ts';
import { digestFromHex } from './names.ts';
import type { FactName } from './store/fact-table.ts';
import { clientOf } from './testing/clients.ts';
import { pack, rigFor } from './testing/rig.ts';

const about = {
  manifestDigest: digestFromHex(pack.patch.digest),
  person: { id: 'jd@site', name: 'Jane Doe' },
};
const confirm = { kind: { case: 'confirm' as const, value: {} } };
const decline = { kind: { case: 'decline' as const, value: { reason: '' } } };

const digestOf = ({ evidence }: Consent): Buffer => createHash('sha256').update(evidence!.statement).digest();

const statementOf = ({ evidence }: Consent): ConsentStatement =>
  fromBinary(ConsentStatementSchema, evidence!.statement);

/** As proto/iotdh/agent/v1/consent.proto says which bytes are signed. */
function isSigned({ evidence }: Consent): boolean {
  const { statement, signature, publicKey } = evidence!;
  const bytes = Buffer.concat([Buffer.from('iotdh.agent.v1.ConsentStatement\0'), statement]);
  const key = createPublicKey({ key: Buffer.from(publicKey), format: 'der', type: 'spki' });
  return verify('sha256', bytes, key, signature);
}

test('each decision is signed, names the one before it and the move that asked, over a restart too', async (t) => {
  const rig = await rigFor(t);
  const client = clientOf(rig);
  await client.setReady({});
  await rig.bringTo('WAIT_CONFIRM_PATCH');
  const asked = rig.machine.standing().cursor;
  const until = timestampFromMs(rig.clock.now() + 1000);
  const decisions = [{ kind: { case: 'postpone' as const, value: { until } } }, decline, confirm];
  const consents: Consent[] = [];
  for (const decision of decisions) {
    const { consent } = await client.confirmPatch({ ...about, decision });
    consents.push(consent!);
    if (decision === decline) {
      await rig.stop();
      await rig.start();
    }
  }
  let before: Uint8Array = Buffer.alloc(0);
  for (const [index, consent] of consents.entries()) {
    assert.ok(isSigned(consent));
    const statement = statementOf(consent);
    assert.equal(statement.number, BigInt(index + 1));
    assert.equal(statement.deviceId, 'ws-1');
    assert.equal(statement.chainId, statementOf(consents[0]!).chainId);
    assert.deepEqual(Buffer.from(statement.previousDigest), before);
    assert.equal(statement.journalId, asked.journal);
    assert.equal(statement.sequence, BigInt(asked.sequence));
    const { evidence: _apart, ...record } = consent;
    assert.deepEqual(statement.consent, create(ConsentSchema, record));
    before = digestOf(consent);
  }
  const [, move] = (await client.pollState({ afterSequence: BigInt(asked.sequence) - 1n })).changes;
  assert.deepEqual([move?.sequence, move?.to], [BigInt(asked.sequence) + 1n, State.APPLYING_PATCH]);
});

test('the key of a device without a certificate is made once, for the agent alone', async (t) => {
  const rig = await rigFor(t);
  const path = join(rig.socketPath, '..', 'evidence-key.pem');
  const key = readFileSync(path, 'utf8');
  assert.equal(statSync(path).mode & 0o777, 0o600);
  await rig.stop();
  await rig.start();
  assert.equal(readFileSync(path, 'utf8'), key);
});

test('a decision that the machine refuses has no place in the chain, and a repeated request no second one', async (t) => {
  const rig = await rigFor(t);
  const client = clientOf(rig);
  await client.setReady({});
  await rig.bringTo('WAIT_CONFIRM_PATCH');
  const request = { ...about, decision: decline, requestId: '7b8a1c1e-0f65-4a39-9d8e-0a1f5f2f9a01' };
  const { consent } = await client.confirmPatch(request);
  assert.deepEqual((await client.confirmPatch(request)).consent, consent);

  const kept = new Map<FactName, Uint8Array>();
  const facts = {
    get: (name: FactName) => kept.get(name) ?? null,
    put: (name: FactName, value: Uint8Array) => void kept.set(name, value),
  };
  const identity = { deviceId: 'ws-1', hubHost: '', certificatePem: '', keyPem: makeKey() };
  const signer = certifiedSigner(() => identity);
  const evidence = createEvidence({ store: { facts }, signer, newId: () => 'chain' });
  const link = () => evidence.link(create(ConsentSchema), { journal: 'j', sequence: 5 });
  const first = link();
  first.keep();
  const [refused, next] = [link(), link()];
  assert.deepEqual(
    [first, refused, next].map((one) => statementOf(one.consent).number),
    [1n, 2n, 2n],
  );
  assert.deepEqual(Buffer.from(statementOf(next.consent).previousDigest), digestOf(first.consent));
});

test('a device that has no certificate yet signs nothing', () => {
  assert.throws(() => certifiedSigner(() => null).sign(new Uint8Array()), /not enrolled/);
});
