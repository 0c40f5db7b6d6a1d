/**
 * Versions as the requirements of a manifest mean them: those of applications, of Windows and of Debian packages, compared alike.
 *
 * Part by part, numbers as numbers; what is missing is 0, so that 1.2 equals 1.2.0.
 * - As in Debian (Policy section 5.6.12), a leading `1:` is an epoch and outweighs all that follows; `~` is before what has none; a
 *   hyphen begins a revision, which counts only between equal versions; and a word or a `+` is after: 7.88.1-10+deb12u5 is higher
 *   than 7.88.1-10.
 * - As in SemVer 2.0.0 (section 11), words for what precedes a release are before it, in all notations: 1.0.0-rc.1 is lower
 *   than 1.0.0.
 *
 * SemVer gives build metadata, after its `+`, no precedence. Here they count, as in Debian: its `+` is where the security fixes are,
 * and a floor that an unpatched package passes harms more than one that is a build too strict.
 */

/** Negative, 0 or positive, as `left` is lower than, equal to or higher than `right`. */
export function compareVersions(left: string, right: string): number {
  return compareLists(partsOf(left), partsOf(right), compareParts);
}

const preReleases = /^(alpha|beta|canary|dev|milestone|nightly|pre|prerelease|preview|rc|snapshot)(\.|$)/;

/** The epoch, then numbers such as 7.88.1, words, and the marks that count. Words that dots join are one: alpha.beta. */
function partsOf(version: string): string[] {
  const [, epoch = '0', rest = version] = /^([0-9]+):(.*)$/.exec(version) ?? [];
  const parts = rest.toLowerCase().match(/[0-9]+([._:][0-9]+)*|[a-z]+(\.[a-z]+)*|[~+-]/g) ?? [];
  const beginsRevision = (index: number) => !preReleases.test(parts[index + 1] ?? '');
  return [epoch, ...parts.filter((part, index) => part !== '-' || beginsRevision(index))];
}

const ranks = { before: 0, preRelease: 1, zero: 2, revision: 3, word: 4, after: 5, number: 6 };

function rankOf(part: string): number {
  if (/^[0-9]/.test(part)) return /[1-9]/.test(part) ? ranks.number : ranks.zero;
  if (part === '~') return ranks.before;
  if (part === '-') return ranks.revision;
  if (part === '+') return ranks.after;
  return preReleases.test(part) ? ranks.preRelease : ranks.word;
}

function compareParts(a = '0', b = '0'): number {
  const [rankA, rankB] = [rankOf(a), rankOf(b)];
  if (rankA !== rankB) return rankA - rankB;
  if (rankA === ranks.zero) return 0;
  if (rankA === ranks.number) return compareLists(a.split(/[._:]/), b.split(/[._:]/), compareNumbers);
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareNumbers(a = '0', b = '0'): number {
  const [x, y] = [BigInt(a), BigInt(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** By the first that differ. What the shorter list lacks is undefined. */
function compareLists(
  left: readonly string[],
  right: readonly string[],
  compare: (a: string | undefined, b: string | undefined) => number,
): number {
  for (let index = 0; index < Math.max(left.length, right.length); index += 1) {
    const order = compare(left[index], right[index]);
    if (order !== 0) return order;
  }
  return 0;
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
