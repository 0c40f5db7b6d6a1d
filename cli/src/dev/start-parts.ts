/** The parts of an environment in the order in which they need each other. */
import { resolve } from 'node:path';
import { databasePart } from './database-part.ts';
import type { EnvironmentOptions, PartName } from './environment.ts';
import { type HubAnnouncement, hubPart } from './hub-part.ts';
import type { Part } from './part.ts';
import { PortTaken } from './port-taken.ts';
import type { Ports } from './ports.ts';
import { serviceNames, serviceParts } from './service-parts.ts';

type Started = {
  ports: Ports;
  hub: HubAnnouncement;
  databaseUri: string;
  parts: Readonly<Record<PartName, Part>>;
};

/** Starts every part on these ports, to be stopped with what was opened. Throws, with none of them running, when one cannot start. */
export async function startParts(
  options: EnvironmentOptions,
  ports: Ports,
  opened: AsyncDisposableStack,
): Promise<Started> {
  const { log = () => undefined, signal, sku = 'off' } = options;
  const onLost =
    options.onLost ?? ((name: PartName | 'backend') => log(`${name} has ended without being asked to`));
  const shared = { folder: resolve(options.folder), ports, sku, env: options.env ?? process.env };
  const hub = hubPart({ ...shared, onLost: () => onLost('hub') });
  const database = databasePart({ ...shared, onLost: () => onLost('database') });
  await using started = new AsyncDisposableStack();
  const start = async (part: Part) => {
    signal?.throwIfAborted();
    const beganMs = performance.now();
    await part.start();
    log(`${part.name} is ready (${((performance.now() - beganMs) / 1000).toFixed(1)} s)`);
  };
  const startTogether = async (several: readonly Part[]) => {
    started.defer(async () => void (await Promise.allSettled(several.map((part) => part.stop()))));
    const failures = (await Promise.allSettled(several.map(start))).flatMap((one) =>
      one.status === 'rejected' ? [one.reason as unknown] : [],
    );
    if (failures.length > 0) throw failures.find((one) => one instanceof PortTaken) ?? failures[0];
  };
  await startTogether([hub.part, database.part]);
  const services = serviceParts({
    ...shared,
    hub: hub.announcement(),
    databaseUri: database.uri(),
    more: options.serviceEnv ?? {},
    services: options.services ?? 'apart',
    onLost,
  });
  const parts = { hub: hub.part, database: database.part, ...services };
  await startTogether([...new Set(serviceNames.map((name) => services[name]))]);
  for (const part of Object.values(parts)) {
    if (part.pid === 0) throw new Error(`${part.name} ended while others started: ${await part.reason()}`);
  }
  const running = started.move();
  opened.defer(() => running.disposeAsync());
  return { ports, hub: hub.announcement(), databaseUri: database.uri(), parts };
}
