/** `iotdh quota` and `iotdh quota set`. */
import { printOne } from '../output/format.ts';
import { quotaView } from '../views/quota.ts';
import type { Context } from './context.ts';

export async function showQuota({ terminal, fleet, format }: Context): Promise<void> {
  const { quota } = await fleet.quota.getQuota({}, { signal: terminal.signal });
  if (quota !== undefined) await printOne(terminal, format, quotaView, quota);
}

export type SetQuotaOptions = { rate: number; day: number };

/** Undefined: the shares of the settings again. */
export async function setQuota(
  { terminal, fleet, format }: Context,
  options: SetQuotaOptions | undefined,
): Promise<void> {
  const shares = options && { ratePercent: options.rate, dailyPercent: options.day };
  const { quota } = await fleet.quota.setQuotaShares(shares === undefined ? {} : { shares }, {
    signal: terminal.signal,
  });
  if (quota !== undefined) await printOne(terminal, format, quotaView, quota);
}
