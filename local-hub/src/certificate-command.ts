/** `iotdh-local-hub certificate <deviceId>`: writes a client certificate for a device, signed by the hub's authority. */
import { join } from 'node:path';
import { secretMode, writeAtomically } from './atomic-file.ts';
import { openCertificates } from './certificates.ts';
import { createLog } from './diagnostics.ts';
import type { Terminal } from './serve.ts';
import type { CertificateRequest } from './settings.ts';

/** A device id as IoT Hub allows it, without the characters that mean something in file names. */
const deviceIdPattern = /^[A-Za-z0-9\-._%#=@,+!$'()]{1,128}$/;

/** Writes `<deviceId>.pem` and `<deviceId>.key` and says what to do with them. Resolves to the exit code. */
export async function makeDeviceCertificate(
  { dataDir, deviceId, outDir }: CertificateRequest,
  terminal: Pick<Terminal, 'out' | 'error'>,
): Promise<number> {
  const log = createLog({ write: terminal.error });
  const what = 'No certificate was made';
  if (!deviceIdPattern.test(deviceId) || /^\.+$/.test(deviceId)) {
    log.warn({ what, reason: `"${deviceId}" cannot be a device id and the name of a file` });
    return 1;
  }
  const [certPath, keyPath] = [join(outDir, `${deviceId}.pem`), join(outDir, `${deviceId}.key`)];
  try {
    const directory = join(dataDir, 'certificates');
    const certificates = await openCertificates({ directory, hostNames: [], log, now: Date.now });
    const { certPem, keyPem } = await certificates.issueClient(deviceId);
    await writeAtomically(keyPath, keyPem, secretMode);
    await writeAtomically(certPath, certPem);
  } catch (error) {
    log.warn({ what, reason: error instanceof Error ? error.message : String(error) });
    return 1;
  }
  terminal.out(
    `${certPath}\n${keyPath}\nRegister ${deviceId} with authentication.type certificateAuthority to use them.\n`,
  );
  return 0;
}
