/** The hub's own API under `/local-hub/`, for tests and for the curious: faults, metering, connections, authorities, restart. */
import { HubError } from '../engine/error.ts';
import { type Handler, jsonObject, jsonValue, nothing, ok, param } from './exchange.ts';

export const listFaults: Handler = (_call, { engine }) => ok(engine.faults.list());

export const injectFault: Handler = (call, { engine }) => ({
  status: 201,
  body: { id: engine.faults.inject(jsonValue(call)) },
});

export const clearFault: Handler = (call, { engine }) => {
  const id = param(call, 'faultId');
  if (engine.faults.clear(id) === 0) throw new HubError('NotFound', `No fault "${id}" is pending`);
  return nothing;
};

export const clearFaults: Handler = (_call, { engine }) => ok({ cleared: engine.faults.clear() });

/** The day's account against the message quota, the profile of limits in force, and what was too fast for it. */
export const metering: Handler = (_call, { engine: { throttles } }) =>
  ok({ profile: throttles.profile, ledger: throttles.ledger(), excess: throttles.excess() });

/** How many connections each front-end has, and the devices that are connected. */
export const connections: Handler = (_call, { engine, control }) => {
  const devices = [];
  for (const { deviceId } of engine.registry.identities()) {
    const session = engine.presence.session(deviceId);
    if (session === undefined) continue;
    const { protocol, methodHandler } = session;
    devices.push({ deviceId, protocol, takesMethods: methodHandler !== undefined });
  }
  return ok({ counts: control.connectionCounts(), devices });
};

export const listAuthorities: Handler = (_call, { engine }) => ok(engine.authorities.list());

/** Body: `{ "certificate": "<PEM>" }`. */
export const addAuthority: Handler = async (call, { engine }) => {
  const { certificate } = jsonObject(call);
  if (typeof certificate !== 'string') {
    throw new HubError('ArgumentInvalid', 'The body must have the certificate as PEM');
  }
  const authority = await engine.authorities.add({ name: param(call, 'name'), certificatePem: certificate });
  return { status: 201, body: authority };
};

export const removeAuthority: Handler = async (call, { engine }) => {
  const name = param(call, 'name');
  if (!(await engine.authorities.remove(name))) {
    throw new HubError('NotFound', `There is no authority "${name}"`);
  }
  return nothing;
};

/** Answers at once, since the restart cuts this connection too; `/readyz` tells when it is over. */
export const restart: Handler = (_call, { control, log }) => {
  setImmediate(() => {
    control.restart().catch((cause: unknown) => {
      log.warn({ what: 'Restart failed', reason: String(cause), next: 'Start the hub again' });
    });
  });
  return { status: 202, body: { restarting: true } };
};
