/** `iotdh-local-hub certificate <deviceId>`: writes a client certificate for a device, signed by the hub's authority. */
import { join } from 'node:path';
import { secretMode, writeAtomically } from './atomic-file.ts';
import { openCertificates } from './certificates.ts';
import type { Log } from './diagnostics.ts';
import type { CertificateRequest } from './settings.ts';

/** Writes `<deviceId>.pem` and `<deviceId>.key` and returns what to do with them. Throws for an id that no device may have. */
export async function makeDeviceCertificate(request: CertificateRequest, log: Log): Promise<string> {
  const { dataDir, deviceId, outDir } = request;
  // A device id as IoT Hub allows it, without the characters that mean something in file names.
  if (!/^[A-Za-z0-9\-._%#=@,+!$'()]{1,128}$/.test(deviceId) || /^\.+$/.test(deviceId)) {
    throw new Error(`"${deviceId}" cannot be a device id with a file of its name`);
  }
  const directory = join(dataDir, 'certificates');
  const certificates = await openCertificates({ directory, hostNames: [], log, now: Date.now });
  const { certPem, keyPem } = await certificates.issueClient(deviceId);
  const [certPath, keyPath] = [join(outDir, `${deviceId}.pem`), join(outDir, `${deviceId}.key`)];
  await writeAtomically(keyPath, keyPem, secretMode);
  await writeAtomically(certPath, certPem);
  return `${certPath}\n${keyPath}\nRegister the device with authentication.type certificateAuthority to use it.\n`;
}
