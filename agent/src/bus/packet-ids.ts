/**
 * MQTT.js makes a buffer for each of the 65,536 packet ids when it writes its first packet, and keeps them: 8 MB, a twelfth of an
 * idle agent. Its option `writeCache` spares that, but the SDK has no way to set it; so here is done what the option does.
 */
import { createRequire } from 'node:module';

/** Whose copy of mqtt-packet it is: only the SDK's own counts, and each step may have another one beside it. */
const path = ['azure-iot-device-mqtt', 'azure-iot-mqtt-base', 'mqtt', 'mqtt-packet'];

type Packets = { writeToStream: { cacheNumbers: boolean } };

/** The packages inside the SDK, loaded as it loads them. Throws when they are arranged in another way. */
export function requireOfSdk(name: string): unknown {
  let require = createRequire(import.meta.url);
  for (const step of path) require = createRequire(require.resolve(step));
  return require(name);
}

/** Before the first packet. Saves nothing, and harms nothing, with a release of the SDK that is made otherwise. */
export function sparePacketIds(): void {
  try {
    (requireOfSdk('mqtt-packet') as Packets).writeToStream.cacheNumbers = false;
  } catch {
    // The test beside this says so when the package changes.
  }
}
