/** The device's own identity on disk: a key that never leaves it, its certificate, and where the hub is. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivateFolder, readText, writeDurably } from '../durable/document.ts';
import { makeKey } from './signing-request.ts';

export type Identity = { deviceId: string; hubHost: string; certificatePem: string; keyPem: string };

export type IdentityFolder = {
  /** Null until the device is enrolled. Throws when what is there cannot be read. */
  read(): Identity | null;
  /** The key of the next certificate, made and on disk at the first call, so that a repetition asks with the same one. */
  nextKey(): string;
  /** Replaces the identity: durable when it returns, and a crash leaves the old one or the new one whole. */
  keep(identity: Identity): void;
};

/** What an agent of before has written, three files that only an enrolment could change. */
const before = ['device.json', 'certificate.pem', 'key.pem'] as const;

/** Opens the folder, making it for the agent's user alone. */
export function openIdentity(folder: string): IdentityFolder {
  makePrivateFolder(folder);
  const path = (name: string) => join(folder, name);

  function read(): Identity | null {
    const kept = readText(path('identity.json'));
    if (kept !== null) return JSON.parse(kept) as Identity;
    const [device, certificate, key] = before;
    const named = readText(path(device));
    if (named === null) return null;
    const { deviceId, hubHost } = JSON.parse(named) as Identity;
    const text = (name: string) => readFileSync(path(name), 'utf8');
    return { deviceId, hubHost, certificatePem: text(certificate), keyPem: text(key) };
  }

  return {
    read,
    nextKey() {
      const begun = readText(path('next-key.pem'));
      // A crash after `keep` leaves the key that is in use by now.
      if (begun !== null && begun !== read()?.keyPem) return begun;
      const made = makeKey();
      writeDurably(path('next-key.pem'), made);
      return made;
    },
    keep({ deviceId, hubHost, certificatePem, keyPem }) {
      const identity: Identity = { deviceId, hubHost, certificatePem, keyPem };
      writeDurably(path('identity.json'), `${JSON.stringify(identity)}\n`);
      for (const name of ['next-key.pem', ...before]) rmSync(path(name), { force: true });
    },
  };
}
