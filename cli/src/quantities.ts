/** Durations and sizes as people write them. */

const unitsMs: Record<string, number> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** `1h30m`, `45s`, `500ms` in milliseconds; undefined when it is no duration. */
export function parseDuration(text: string): number | undefined {
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(text)) return undefined;
  let ms = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    ms += Number(amount) * (unitsMs[unit ?? ''] ?? 0);
  }
  return Math.round(ms);
}

const unitsBytes: Record<string, number> = {
  '': 1,
  B: 1,
  kB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KiB: 2 ** 10,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
  TiB: 2 ** 40,
};

/** `64KiB`, `1.5 GB`, `4096` in bytes; undefined when it is no size. */
export function parseSize(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([A-Za-z]*)$/.exec(text);
  const unit = unitsBytes[match?.[2] ?? ''];
  if (match === null || unit === undefined) return undefined;
  const bytes = Math.round(Number(match[1]) * unit);
  return Number.isSafeInteger(bytes) ? bytes : undefined;
}

/** A size for people: three digits and a binary unit. */
export function sizeText(bytes: number | bigint): string {
  let amount = Number(bytes);
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (amount < 1_000)
      return `${unit === 'B' || amount >= 100 ? Math.round(amount) : amount.toPrecision(3)} ${unit}`;
    amount /= 1_024;
  }
  return `${amount.toPrecision(3)} TiB`;
}

/** A length of time for people: `45 s`, `25 min`, `3.4 h`, `12 d`. */
export function durationText(ms: number): string {
  const steps: readonly (readonly [unit: string, ms: number, most: number])[] = [
    ['s', 1_000, 120],
    ['min', 60_000, 120],
    ['h', 3_600_000, 48],
    ['d', 86_400_000, Number.POSITIVE_INFINITY],
  ];
  for (const [unit, unitMs, most] of steps) {
    const amount = ms / unitMs;
    if (amount < most)
      return `${amount < 10 && unit !== 's' ? amount.toFixed(1) : Math.round(amount)} ${unit}`;
  }
  return '';
}

/** A count for people: `1,234`. */
export const countText = (count: bigint | number): string => count.toLocaleString('en-US');
