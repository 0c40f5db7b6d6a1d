/**
 * The user name of a CONNECT packet says what the client wants: `{host}/{device}/?api-version=…&DeviceClientType=…` an IoT Hub
 * device, `{scope}/registrations/{registration}/api-version=…&ClientVersion=…` the Device Provisioning Service.
 */

export type UserName =
  | {
      kind: 'device';
      host: string;
      deviceId: string;
      moduleId?: string;
      clientType?: string;
      modelId?: string;
    }
  | { kind: 'registration'; scopeId: string; registrationId: string };

/** Parses the user name; undefined when it has neither form. */
export function parseUserName(userName: string): UserName | undefined {
  const [first = '', ...rest] = userName.split('/');
  if (first === '') return undefined;
  if (rest[0] === 'registrations' && rest[1] !== undefined && rest[1] !== '')
    return { kind: 'registration', scopeId: first, registrationId: rest[1] };

  // Client types may contain slashes: only what precedes the query is a path.
  const queryAt = rest.findIndex((segment) => segment.startsWith('?') || segment.startsWith('api-version='));
  const path = (queryAt < 0 ? rest : rest.slice(0, queryAt)).filter((segment) => segment !== '');
  const [deviceId, moduleId, ...more] = path;
  if (deviceId === undefined || more.length > 0) return undefined;
  const query = new URLSearchParams(queryAt < 0 ? '' : rest.slice(queryAt).join('/'));
  const clientType = query.get('DeviceClientType');
  const modelId = query.get('model-id');
  return {
    kind: 'device',
    host: first,
    deviceId,
    ...(moduleId !== undefined && { moduleId }),
    ...(clientType !== null && { clientType }),
    ...(modelId !== null && { modelId }),
  };
}
