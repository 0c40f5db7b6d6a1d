/**
 * CONNECT (MQTT 3.1.1 §3.1): who is it, may it in, and what session does it continue.
 */
import type { IConnectPacket } from 'mqtt-packet';
import type { DeviceAuth } from '../engine/authentication.ts';
import type { ClientCertificate } from '../engine/x509-trust.ts';
import { closeForEngine } from './close-reasons.ts';
import { type Connection, endConnection, fail, send } from './connection.ts';
import { applySubscriptions, createDevicePeer } from './device-peer.ts';
import { connackCode, type ReturnCode, reasonOf, returnCodes } from './refusals.ts';
import type { Subscription } from './sessions.ts';
import { parseUserName, type UserName } from './username.ts';
import { readWill } from './will.ts';

/** Refuses with a CONNACK [MQTT-3.2.2-4], [MQTT-3.2.2-5]. Without a reason the log has been told already. */
export function refuseConnect(connection: Connection, returnCode: ReturnCode, reason?: string): void {
  send(connection, { cmd: 'connack', returnCode, sessionPresent: false });
  const what = `MQTT connection from ${connection.info.remote} refused with return code ${returnCode}`;
  endConnection(connection, { how: 'flush', ...(reason !== undefined && { finding: { what, reason } }) });
}

/** The SAS token in the password field. */
const tokenOf = ({ password }: IConnectPacket): string | undefined =>
  password === undefined || password.length === 0 ? undefined : password.toString('utf8');

/** "IoT Hub's keep-alive ping interval is 1.5 times the client keep-alive value", with a maximum; 0 is without one. */
function silenceOf({ keepalive = 0 }: IConnectPacket, maxMs: number): number {
  return keepalive === 0 ? maxMs : Math.min(keepalive * 1_500, maxMs);
}

/** Opens the session that the packet asks for: its subscriptions, and whether it was there before. */
async function openSession(
  { context: { sessions } }: Connection,
  deviceId: string,
  clean: boolean,
): Promise<{ subscriptions: readonly Subscription[]; sessionPresent: boolean }> {
  const stored = sessions.get(deviceId);
  // [MQTT-3.1.2-6]: a clean session discards the previous one. [MQTT-3.1.2-4]: otherwise it is resumed, or created.
  if (clean) await sessions.remove(deviceId);
  else if (stored === undefined) await sessions.save(deviceId, []);
  return clean
    ? { subscriptions: [], sessionPresent: false }
    : { subscriptions: stored ?? [], sessionPresent: stored !== undefined };
}

async function connectDevice(
  connection: Connection,
  packet: IConnectPacket,
  { deviceId, modelId }: Extract<UserName, { kind: 'device' }>,
  clientCertificate: ClientCertificate | undefined,
): Promise<void> {
  const { context, info, stream } = connection;
  const { authentication, presence, twins } = context.engine;
  const protocol = info.websocket ? 'mqtt-ws' : 'mqtt';
  const { remote } = info;

  let auth: DeviceAuth;
  try {
    const sasToken = tokenOf(packet);
    auth = authentication.authenticateDevice({
      deviceId,
      sasToken,
      clientCertificate,
      via: { protocol, remote },
    });
  } catch (error) {
    refuseConnect(connection, connackCode(error));
    return;
  }
  const will = readWill(packet, deviceId);
  if ('refused' in will) {
    refuseConnect(connection, returnCodes.notAuthorized, will.refused);
    return;
  }
  const isOpen = () => connection.phase.kind !== 'closed' && !stream.destroyed;
  const session = await presence.connect(auth, {
    protocol,
    remote,
    isOpen,
    close: (reason) => closeForEngine(connection, reason),
  });
  if (isLeft()) return;
  const clean = packet.clean ?? true;
  try {
    const { subscriptions, sessionPresent } = await openSession(connection, deviceId, clean);
    if (modelId !== undefined) await twins.setModelId(deviceId, modelId);
    if (isLeft()) return;
    connection.maxSilenceMs = silenceOf(packet, context.settings.maxKeepAliveMs);
    const peer = createDevicePeer({
      connection,
      session,
      persistent: !clean,
      subscriptions,
      will: will.message,
    });
    connection.phase = peer;
    send(connection, { cmd: 'connack', returnCode: returnCodes.accepted, sessionPresent });
    applySubscriptions(peer);
  } catch (error) {
    session.end();
    throw error;
  }

  /** Whether a newer connection took over, or the client gave up, while it waited. */
  function isLeft(): boolean {
    if (!session.ended && isOpen()) return false;
    session.end();
    endConnection(connection, { how: 'abort' });
    return true;
  }
}

function connectRegistration(
  connection: Connection,
  packet: IConnectPacket,
  { scopeId, registrationId }: Extract<UserName, { kind: 'registration' }>,
  clientCertificate: ClientCertificate | undefined,
): void {
  const sasToken = tokenOf(packet);
  if (sasToken === undefined && clientCertificate === undefined) {
    refuseConnect(
      connection,
      returnCodes.notAuthorized,
      'it gave neither a SAS token nor a client certificate',
    );
    return;
  }
  connection.maxSilenceMs = silenceOf(packet, connection.context.settings.maxKeepAliveMs);
  connection.phase = {
    kind: 'registration',
    connection,
    caller: { scopeId, registrationId, sasToken, clientCertificate, remote: connection.info.remote },
    qos: 0,
    lastPacketId: 0,
  };
  // "DPS treats every session as non-persistent, regardless of the value of the CleanSession flag."
  send(connection, { cmd: 'connack', returnCode: returnCodes.accepted, sessionPresent: false });
}

/** Why a CONNECT cannot be for anybody; undefined when the identity may be checked. */
function findFault({ clientId, clean }: IConnectPacket, userName: UserName | undefined) {
  // [MQTT-3.1.3-8] asks for code 2 when the session is not clean; IoT Hub's client ids are never empty.
  if (clientId === '')
    return {
      code: returnCodes.identifierRejected,
      reason: `the client id is empty${clean ? '' : ' [MQTT-3.1.3-8]'}`,
    };
  if (userName === undefined)
    return {
      code: returnCodes.badUserNameOrPassword,
      reason:
        'the user name is neither {host}/{device}/?api-version=… nor {scope}/registrations/{id}/api-version=…',
    };
  if (clientId.includes('/') || (userName.kind === 'device' && userName.moduleId !== undefined))
    return {
      code: returnCodes.identifierRejected,
      reason: `${clientId} is a module identity, which the local hub does not implement`,
    };
  const id = userName.kind === 'device' ? userName.deviceId : userName.registrationId;
  if (id !== clientId)
    return {
      code: returnCodes.notAuthorized,
      reason: `the client id ${clientId} is not the ${userName.kind === 'device' ? 'device' : 'registration'} ${id} of the user name`,
    };
  return undefined;
}

/** Handles CONNECT, the first packet of a connection. `certificate` is what the TLS client presented. */
export async function handleConnect(
  connection: Connection,
  packet: IConnectPacket,
  certificate: ClientCertificate | undefined,
): Promise<void> {
  connection.phase = { kind: 'connecting' };
  const userName = parseUserName(packet.username ?? '');
  const fault = findFault(packet, userName);
  if (fault !== undefined || userName === undefined) {
    refuseConnect(connection, fault?.code ?? returnCodes.badUserNameOrPassword, fault?.reason ?? '');
    return;
  }
  try {
    if (userName.kind === 'registration') connectRegistration(connection, packet, userName, certificate);
    else await connectDevice(connection, packet, userName, certificate);
  } catch (error) {
    if (connection.phase.kind === 'connecting')
      refuseConnect(connection, connackCode(error), reasonOf(error));
    else fail(connection, error);
  }
}
