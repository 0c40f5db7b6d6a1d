/** Who this device is to the hub: from the file that the settings name, or by enrolment, whose certificate is renewed in time. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Credentials } from './bus/credentials.ts';
import { lifeOf } from './enrolment/broker-client.ts';
import { enrol } from './enrolment/enrol.ts';
import { type Identity, type IdentityFolder, openIdentity } from './enrolment/identity.ts';
import { keepRenewed } from './enrolment/renew.ts';
import type { Log } from './log/log.ts';
import type { Settings } from './settings/settings.ts';

export type FindCredentialsOptions = {
  settings: Settings;
  signal: AbortSignal;
  /** The latest time that is known: a clock that is behind would have the certificate end. */
  now: () => number;
  random: () => number;
  sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  log: Log;
  /** From now on the credentials are others. */
  onRenewed: () => void;
  onFailure: (error: unknown) => void;
};

const credentialsOf = ({ hubHost, deviceId, certificatePem, keyPem }: Identity): Credentials => ({
  ...{ kind: 'x509', hostName: hubHost, deviceId },
  ...{ cert: certificatePem, key: keyPem },
});
const aboutOf = ({ deviceId, certificatePem }: Identity) => ({
  device_id: deviceId,
  certificate_until: new Date(lifeOf(certificatePem).untilMs).toISOString(),
});
const seconds = (ms: number) => `${Math.round(ms / 1000)} s`;

/** Found on the first call; each call answers with those of now. Null when the signal came first. Rejects when a file cannot be read. */
export function findCredentials(options: FindCredentialsOptions): () => Promise<Credentials | null> {
  const { settings, signal, now, random, sleep, log } = options;
  const { credentials, dataDir } = settings;
  let found: Promise<(() => Credentials) | null> | undefined;

  async function find(): Promise<(() => Credentials) | null> {
    if (credentials.kind === 'connection_string') {
      const connectionString = readFileSync(credentials.file, 'utf8').trim();
      return () => ({ kind: 'connection_string', connectionString });
    }
    const { brokerUrl, tokenFile, caFile } = credentials;
    const broker = { brokerUrl, caPem: caFile === null ? null : readFileSync(caFile, 'utf8') };
    const folder = openIdentity(join(dataDir, 'identity'));
    const enrolled = await enrol({
      ...{ ...broker, tokenFile, identity: folder, now, random, sleep, signal },
      onAttemptFailed({ reason, retryMs, byPerson }) {
        const next =
          retryMs === null ? 'it keeps the certificate that it has' : `tried again in ${seconds(retryMs)}`;
        const message = `the device is not enrolled ${retryMs === null ? 'anew' : 'yet'}: ${reason}; ${next}`;
        log({ level: byPerson ? 'error' : 'warn', component: 'enrolment', message });
      },
    });
    if (enrolled === null) return null;
    const message = 'the device has its identity';
    log({ level: 'info', component: 'enrolment', message, about: aboutOf(enrolled) });
    renew(folder, broker, tokenFile).catch(options.onFailure);
    return () => credentialsOf(folder.read() ?? enrolled);
  }

  function renew(
    identity: IdentityFolder,
    broker: { brokerUrl: string; caPem: string | null },
    tokenFile: string,
  ): Promise<void> {
    return keepRenewed({
      ...{ ...broker, identity, now, random, sleep, signal },
      onRenewed(renewed) {
        const message = 'the certificate of the device is renewed';
        log({ level: 'info', component: 'enrolment', message, about: aboutOf(renewed) });
        options.onRenewed();
      },
      onAttemptFailed({ reason, retryMs, byPerson, ended }) {
        const what = ended ? 'has ended and is not renewed' : 'is not renewed yet';
        const help = `enrol the device again, with a new token in ${tokenFile}`;
        const next = `${ended && byPerson ? `${help}; ` : ''}tried again in ${seconds(retryMs)}`;
        const message = `the certificate of the device ${what}: ${reason}; ${next}`;
        log({ level: byPerson || ended ? 'error' : 'warn', component: 'enrolment', message });
      },
    });
  }

  return async () => {
    found ??= find();
    return (await found)?.() ?? null;
  };
}
