/** Who this device is to the hub: from the file that the settings name, or by enrolment. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Credentials } from './bus/credentials.ts';
import { enrol } from './enrolment/enrol.ts';
import { openIdentity } from './enrolment/identity.ts';
import type { Log } from './log/log.ts';
import type { Settings } from './settings/settings.ts';

export type FindCredentialsOptions = {
  settings: Settings;
  signal: AbortSignal;
  random: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  log: Log;
};

/** Found once, on the first call. Null when the signal came first. Rejects when a file cannot be read. */
export function findCredentials(options: FindCredentialsOptions): () => Promise<Credentials | null> {
  const { settings, signal, random, sleep, log } = options;
  const { credentials, dataDir } = settings;
  let found: Promise<Credentials | null> | undefined;

  async function find(): Promise<Credentials | null> {
    if (credentials.kind === 'connection_string') {
      return { kind: 'connection_string', connectionString: readFileSync(credentials.file, 'utf8').trim() };
    }
    const { brokerUrl, tokenFile, caFile } = credentials;
    const identity = await enrol({
      ...{ brokerUrl, tokenFile, random, sleep, signal },
      caPem: caFile === null ? null : readFileSync(caFile, 'utf8'),
      identity: openIdentity(join(dataDir, 'identity')),
      onAttemptFailed({ reason, retryMs, byPerson }) {
        const message = `the device is not enrolled yet: ${reason}; tried again in ${Math.round(retryMs / 1000)} s`;
        log({ level: byPerson ? 'error' : 'warn', component: 'enrolment', message });
      },
    });
    if (identity === null) return null;
    const { hubHost: hostName, deviceId, certificatePem: cert, keyPem: key } = identity;
    log({
      level: 'info',
      component: 'enrolment',
      message: 'the device has its identity',
      about: { device_id: deviceId },
    });
    return { kind: 'x509', hostName, deviceId, cert, key };
  }

  return () => {
    found ??= find();
    return found;
  };
}
