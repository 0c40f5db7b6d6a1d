/** Work for many devices, taken in turn, so that a device with much of it does not keep the others waiting. */

export type FairQueue<T> = {
  add(deviceId: string, item: T): void;
  /** In front of the device's other work, as for what is tried again. */
  putBack(deviceId: string, item: T): void;
  /** What `next` would answer, which stays where it is. */
  peek(): { deviceId: string; item: T } | undefined;
  /** The next item of the device whose turn it is; undefined when there is none. */
  next(): { deviceId: string; item: T } | undefined;
  /** Takes out what the test says; of one device, or of all. */
  remove(unwanted: (item: T) => boolean, deviceId?: string): T[];
  readonly size: number;
};

export function createFairQueue<T>(): FairQueue<T> {
  // A map keeps its order: the first device is the one whose turn it is.
  const devices = new Map<string, T[]>();
  let size = 0;

  function itemsOf(deviceId: string): T[] {
    let items = devices.get(deviceId);
    if (items === undefined) {
      items = [];
      devices.set(deviceId, items);
    }
    return items;
  }

  function removeFrom(deviceId: string, items: T[], unwanted: (item: T) => boolean): T[] {
    const removed = items.filter(unwanted);
    const kept = items.filter((item) => !removed.includes(item));
    size -= removed.length;
    if (kept.length === 0) devices.delete(deviceId);
    else devices.set(deviceId, kept);
    return removed;
  }

  return {
    add(deviceId, item) {
      itemsOf(deviceId).push(item);
      size += 1;
    },
    putBack(deviceId, item) {
      itemsOf(deviceId).unshift(item);
      size += 1;
    },
    peek() {
      for (const [deviceId, [item]] of devices) if (item !== undefined) return { deviceId, item };
      return undefined;
    },
    next() {
      for (const [deviceId, items] of devices) {
        const item = items.shift();
        devices.delete(deviceId);
        if (item === undefined) continue;
        size -= 1;
        if (items.length > 0) devices.set(deviceId, items);
        return { deviceId, item };
      }
      return undefined;
    },
    remove(unwanted, deviceId) {
      const some = deviceId === undefined ? [...devices] : [[deviceId, devices.get(deviceId) ?? []] as const];
      return some.flatMap(([id, items]) => removeFrom(id, [...items], unwanted));
    },
    get size() {
      return size;
    },
  };
}
