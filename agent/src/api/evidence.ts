/**
 * Consents as evidence: each record is signed with the device's key and names the one before, so that nobody can change,
 * remove or insert one unnoticed. agent/v1/consent.proto says which bytes are signed.
 */
import { createHash } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  type Consent,
  type ConsentEvidence,
  ConsentEvidenceSchema,
  ConsentSchema,
  ConsentStatementSchema,
} from '@iotdh/proto/agent/v1';
import type { Cursor } from '../machine/changes.ts';
import type { HostStore } from './store/open-store.ts';

/** The device's key. */
export type ConsentSigner = {
  /** The device's id in IoT Hub. Throws when the device has none yet. */
  deviceId(): string;
  /** How these bytes are signed, and what shows whose signature it is. */
  sign(bytes: Uint8Array): Pick<ConsentEvidence, 'algorithm' | 'signature' | 'certificates' | 'publicKey'>;
};

export type Evidence = {
  /** The next link of the chain. It becomes one when `keep` is called, in the transaction that keeps the record. */
  link(record: Consent, cursor: Cursor): { consent: Consent; keep(): void };
};

/** How far the chain has come; `digest` of the last statement, in hex. */
type Head = { chainId: string; number: number; digest: string };

const signedPrefix = Buffer.from('iotdh.agent.v1.ConsentStatement\0', 'ascii');

export type EvidenceOptions = {
  store: Pick<HostStore, 'facts'>;
  signer: ConsentSigner;
  newId: () => string;
};

export function createEvidence({ store: { facts }, signer, newId }: EvidenceOptions): Evidence {
  function head(): Head {
    const kept = facts.get('evidence');
    return kept === null
      ? { chainId: newId(), number: 0, digest: '' }
      : (JSON.parse(Buffer.from(kept).toString()) as Head);
  }
  const keepHead = (value: Head) => facts.put('evidence', Buffer.from(JSON.stringify(value)));

  return {
    link(record, cursor) {
      const before = head();
      const { chainId } = before;
      const number = before.number + 1;
      const statement = toBinary(
        ConsentStatementSchema,
        create(ConsentStatementSchema, {
          ...{ consent: record, chainId, number: BigInt(number), deviceId: signer.deviceId() },
          previousDigest: Buffer.from(before.digest, 'hex'),
          journalId: cursor.journal,
          sequence: BigInt(cursor.sequence),
        }),
      );
      const digest = createHash('sha256').update(statement).digest('hex');
      const signature = signer.sign(Buffer.concat([signedPrefix, statement]));
      const evidence = create(ConsentEvidenceSchema, { statement, ...signature });
      return {
        consent: create(ConsentSchema, { ...record, evidence }),
        keep: () => keepHead({ chainId, number, digest }),
      };
    },
  };
}
