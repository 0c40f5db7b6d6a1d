/**
 * Which order is carried out next, and by whom. A replica leases an order before it touches it, and only the first order of a
 * device that is still due can be leased: so each device gets its orders in sequence and none twice at once, however many
 * replicas there are. The lease of a replica that died lapses.
 */
import { Long } from 'mongodb';
import type { Collections, OrderDocument } from '../../../shared/database/collections.ts';

export type ClaimsOptions = {
  orders: Collections['orders'];
  /** Names this replica; another one after each start. */
  owner: string;
  now: () => number;
  /** How long a lease holds without renewal, in ms. Default 60 s. */
  leaseMs?: number;
};

export type Claims = {
  /** Leases up to `most` orders that are due, of as many devices. */
  claim(most: number): Promise<OrderDocument[]>;
  /** False: the lease was lost, and the order may be another's by now. */
  renew(orderId: string): Promise<boolean>;
  sent(orderId: string): Promise<void>;
  /** Not before `dueTime` again, and nothing else for this device before it. */
  postpone(order: OrderDocument, dueTime: Date, reason: string): Promise<void>;
  giveUp(orderId: string, reason: string): Promise<void>;
};

/** What is sent or given up is kept so long for those who look into it. */
const keepMs = 7 * 86_400_000;
const maxReasonLength = 500;

export function createClaims({ orders, owner, now, leaseMs = 60_000 }: ClaimsOptions): Claims {
  const at = (ms: number): Date => new Date(ms);
  const free = (nowMs: number) => ({ $or: [{ lease: null }, { 'lease.untilTime': { $lte: at(nowMs) } }] });
  const mine = (orderId: string) => ({ _id: orderId, state: 'due' as const, 'lease.owner': owner });
  const cut = (reason: string): string => reason.slice(0, maxReasonLength);

  /** The device's first order, leased by us; undefined when it is not due, or another's. */
  async function claimFirst(deviceId: string): Promise<OrderDocument | undefined> {
    const first = await orders.findOne({ deviceId, state: 'due' }, { sort: { sequence: 1 } });
    if (first === null) return undefined;
    const nowMs = now();
    if (first.dueTime.getTime() > nowMs) {
      await delayOthers(first, first.dueTime);
      return undefined;
    }
    const claimed = await orders.findOneAndUpdate(
      { _id: first._id, state: 'due', dueTime: { $lte: at(nowMs) }, ...free(nowMs) },
      { $set: { lease: { owner, untilTime: at(nowMs + leaseMs) } }, $inc: { attempts: 1 } },
      { returnDocument: 'after' },
    );
    return claimed ?? undefined;
  }

  /** What stands behind an order that waits is not looked at before it is due, or a few such devices would hide all others. */
  async function delayOthers({ deviceId, sequence }: OrderDocument, dueTime: Date): Promise<void> {
    const behind = { deviceId, state: 'due' as const, sequence: { $gt: Long.fromValue(sequence) } };
    await orders.updateMany({ ...behind, dueTime: { $lt: dueTime } }, { $set: { dueTime } });
  }

  return {
    async claim(most) {
      if (most <= 0) return [];
      const nowMs = now();
      const due = { state: 'due' as const, dueTime: { $lte: at(nowMs) }, ...free(nowMs) };
      // Several orders of one device may stand at the front, so more are looked at than are wanted.
      const candidates = await orders
        .find(due, { sort: { dueTime: 1 }, limit: most * 8, projection: { deviceId: 1 } })
        .toArray();
      const claimed: OrderDocument[] = [];
      for (const deviceId of new Set(candidates.map((order) => order.deviceId))) {
        if (claimed.length >= most) break;
        const order = await claimFirst(deviceId);
        if (order !== undefined) claimed.push(order);
      }
      return claimed;
    },
    async renew(orderId) {
      const lease = { owner, untilTime: at(now() + leaseMs) };
      return (await orders.updateOne(mine(orderId), { $set: { lease } })).matchedCount === 1;
    },
    async sent(orderId) {
      const expireTime = at(now() + keepMs);
      const sent = { state: 'sent' as const, lease: null, lastError: '', expireTime };
      await orders.updateOne(mine(orderId), { $set: sent });
    },
    async postpone(order, dueTime, reason) {
      await orders.updateOne(mine(order._id), { $set: { dueTime, lease: null, lastError: cut(reason) } });
      await delayOthers(order, dueTime);
    },
    async giveUp(orderId, reason) {
      const expireTime = at(now() + keepMs);
      const givenUp = { state: 'given_up' as const, lease: null, lastError: cut(reason), expireTime };
      await orders.updateOne(mine(orderId), { $set: givenUp });
    },
  };
}
