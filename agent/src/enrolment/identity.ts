/** The device's own identity on disk: a key that never leaves it, its certificate, and where the hub is. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makePrivateFolder, readText, writeDurably } from '../durable/document.ts';

export type Identity = { deviceId: string; hubHost: string; certificatePem: string; keyPem: string };

export type IdentityFolder = {
  /** Null until the device is enrolled. Throws when what is there cannot be read. */
  read(): Identity | null;
  /** The key that enrolment has begun with, so that a repetition asks with the same one; null before the first. */
  key(): string | null;
  keepKey(pem: string): void;
  keepIdentity(identity: Omit<Identity, 'keyPem'>): void;
};

/** Opens the folder, making it for the agent's user alone. */
export function openIdentity(folder: string): IdentityFolder {
  makePrivateFolder(folder);
  const path = (name: string) => join(folder, name);
  return {
    read() {
      if (!existsSync(path('device.json'))) return null;
      const { deviceId, hubHost } = JSON.parse(readFileSync(path('device.json'), 'utf8')) as Identity;
      const certificatePem = readFileSync(path('certificate.pem'), 'utf8');
      return { deviceId, hubHost, certificatePem, keyPem: readFileSync(path('key.pem'), 'utf8') };
    },
    key: () => readText(path('key.pem')),
    keepKey: (pem) => writeDurably(path('key.pem'), pem),
    keepIdentity({ deviceId, hubHost, certificatePem }) {
      writeDurably(path('certificate.pem'), certificatePem);
      // Last: it says that the others are there.
      writeDurably(path('device.json'), `${JSON.stringify({ deviceId, hubHost })}\n`);
    },
  };
}
