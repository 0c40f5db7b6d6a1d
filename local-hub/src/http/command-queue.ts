/** `DELETE /devices/{id}/commands`: empties a device's cloud-to-device queue (REST reference "Purge Command Queue"). */
import { type Handler, ok, param } from './exchange.ts';

export const purgeCommands: Handler = async (call, { engine }) => {
  const deviceId = param(call, 'deviceId');
  const totalMessagesPurged = await engine.cloudToDevice.purge(deviceId);
  return ok({ deviceId, totalMessagesPurged, moduleId: null });
};
