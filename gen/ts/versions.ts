/** Versions as the requirements of a manifest mean them: compared part by part, numbers as numbers. */

/** Negative, 0 or positive, as `left` is lower than, equal to or higher than `right`. */
export function compareVersions(left: string, right: string): number {
  const [a, b] = [partsOf(left), partsOf(right)];
  for (let index = 0; index < Math.max(a.length, b.length); index += 1) {
    const order = compareParts(a[index], b[index]);
    if (order !== 0) return order;
  }
  return 0;
}

/** Runs of digits and runs of letters; what separates them only separates, except '~', which stands for itself. */
function partsOf(version: string): string[] {
  return version.match(/[0-9]+|[A-Za-z]+|~/g) ?? [];
}

/**
 * A number is higher than a word, and a word means "before": 2.0-rc1 is lower than 2.0. So does '~', as in Debian. A part that is
 * missing is 0: 1.2 equals 1.2.0.
 */
function compareParts(a = '0', b = '0'): number {
  const [isNumberA, isNumberB] = [/^[0-9]/.test(a), /^[0-9]/.test(b)];
  if (isNumberA && isNumberB) {
    const [x, y] = [BigInt(a), BigInt(b)];
    return x < y ? -1 : x > y ? 1 : 0;
  }
  if (isNumberA !== isNumberB) return isNumberA ? 1 : -1;
  if (a === b) return 0;
  if (a === '~' || b === '~') return a === '~' ? -1 : 1;
  return a.toLowerCase() < b.toLowerCase() ? -1 : a.toLowerCase() > b.toLowerCase() ? 1 : 0;
}

/**
 * The first of the versions that a machine must pass through, in this order, which it has not had; null: none is missing. `had` are
 * the versions of that product that the machine is known to have had, oldest first. A machine that came into our care at a version
 * or beyond it did not skip it.
 */
export function firstMissing(
  mustPassThrough: readonly { product: string; version: string }[],
  had: (product: string) => readonly string[],
): { product: string; version: string } | null {
  const reached = new Map<string, number>();
  for (const step of mustPassThrough) {
    const versions = had(step.product);
    const from = reached.get(step.product) ?? 0;
    const index = versions.findIndex(
      (version, place) => place >= from && compareVersions(version, step.version) === 0,
    );
    const [oldest] = versions;
    if (index >= 0) reached.set(step.product, index);
    else if (oldest === undefined || compareVersions(oldest, step.version) < 0) return step;
  }
  return null;
}
