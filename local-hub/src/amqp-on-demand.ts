/**
 * The AMQP front-end, loaded when the first AMQP client comes: rhea is the largest part of the hub's start, and a hub whose
 * devices speak MQTT never needs it.
 */
import type { Duplex } from 'node:stream';
import type { AmqpFrontEnd } from './amqp/front-end.ts';
import type { Log } from './diagnostics.ts';

/** Stands in for the front-end; connections wait until it is there. `load` is called at most once. */
export function amqpOnDemand(load: () => Promise<AmqpFrontEnd>, log: Log): AmqpFrontEnd {
  let loading: Promise<AmqpFrontEnd> | undefined;
  let loaded: AmqpFrontEnd | undefined;

  async function acceptLater(stream: Duplex, info: Parameters<AmqpFrontEnd['accept']>[1]): Promise<void> {
    try {
      loading ??= load();
      loaded = await loading;
      if (!stream.destroyed) loaded.accept(stream, info);
    } catch (error) {
      log.warn({ what: 'AMQP is not available', reason: String(error), next: 'Install the hub again' });
      stream.destroy();
    }
  }

  return {
    accept(stream, info) {
      if (loaded === undefined) void acceptLater(stream, info);
      else loaded.accept(stream, info);
    },
    async close() {
      await (await loading?.catch(() => undefined))?.close();
    },
    get connectionCount() {
      return loaded?.connectionCount ?? 0;
    },
  };
}
