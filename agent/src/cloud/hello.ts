/** What the device says about itself: when it starts, when its link is back, and when its inventory has changed. */
import { create } from '@bufbuild/protobuf';
import type { StateSnapshot } from '@iotdh/proto/agent/v1';
import { HelloReason, HelloSchema } from '@iotdh/proto/bus/v1';
import type { Bus } from '../bus/bus.ts';
import type { Inventory } from '../inventory/inventory.ts';
import type { Log } from '../log/log.ts';
import type { Tell } from './tell.ts';

export type HelloOptions = {
  agentVersion: string;
  inventory: Inventory;
  snapshot: () => StateSnapshot;
  /** SHA-256 of the manifest that was last applied, in hex; empty: none. */
  appliedDigest: () => string;
  /** The key that signs consents, in DER; empty: that of the device's certificate. */
  evidenceKey: () => Uint8Array<ArrayBuffer>;
  tell: Tell;
  bus: Pick<Bus, 'onLink'>;
  after: (ms: number, callback: () => void) => () => void;
  now: () => number;
  log: Log;
};

export type Hello = {
  start(): void;
  /** Said soon, once for changes that come together. */
  inventoryChanged(): void;
  stop(): void;
};

const gatherMs = 500;
/** A link that comes and goes need not be announced each time. */
const leastBetweenMs = 60_000;
const maxBusVersion = 1;

export function createHello(options: HelloOptions): Hello {
  const { agentVersion, inventory, snapshot, appliedDigest, evidenceKey, tell, bus, after, now, log } =
    options;
  let cancel = () => {};
  let unlisten = () => {};
  let opened = false;
  let saidMs = Number.NEGATIVE_INFINITY;

  async function say(reason: HelloReason): Promise<void> {
    saidMs = now();
    const value = create(HelloSchema, {
      ...{ reason, agentVersion, maxBusVersion },
      platform: await inventory.platform(),
      snapshot: snapshot(),
      inventory: inventory.products(),
      appliedManifestDigest: Buffer.from(appliedDigest(), 'hex'),
      evidenceKey: evidenceKey(),
    });
    const told = await tell({ case: 'hello', value });
    if (told.kind === 'again') {
      log({ level: 'warn', component: 'hello', message: `it was not said: ${told.reason}` });
    }
  }

  return {
    start() {
      void say(HelloReason.STARTED);
      unlisten = bus.onLink(({ kind }) => {
        if (kind !== 'open') return;
        if (opened && now() - saidMs >= leastBetweenMs) void say(HelloReason.RECONNECTED);
        opened = true;
      });
    },
    inventoryChanged() {
      cancel();
      cancel = after(gatherMs, () => void say(HelloReason.INVENTORY_CHANGED));
    },
    stop() {
      cancel();
      unlisten();
    },
  };
}
