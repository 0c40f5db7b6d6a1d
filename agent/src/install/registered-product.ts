/** Around a component of the kinds a, c and d: its product's version in the agent's register follows what is on the machine. */
import { join } from 'node:path';
import type { ProductVersion } from '@iotdh/proto/update/v1';
import type { ComponentContext, ComponentInstaller } from './component-installer.ts';
import { readIfThere, writeDurably } from './durable.ts';
import type { Products } from './ports.ts';

export function withRegisteredProduct(
  installer: ComponentInstaller,
  { product, version }: ProductVersion,
  products: Products,
  context: ComponentContext,
): ComponentInstaller {
  const note = join(context.notes, 'product.json');
  return {
    ...installer,
    async apply(signal, again, operation) {
      if ((await readIfThere(note)) === null) {
        await writeDurably(note, JSON.stringify({ version: await products.versionOf(product) }));
      }
      const end = await installer.apply(signal, again, operation);
      if (end.kind !== 'done') return end;
      await products.set(product, version);
      context.failPoint('version_set', context.id);
      return end;
    },
    async undone() {
      const noted = await readIfThere(note);
      if (noted === null) return;
      await products.set(product, (JSON.parse(noted) as { version: string | null }).version);
      context.failPoint('version_set', context.id);
    },
  };
}
