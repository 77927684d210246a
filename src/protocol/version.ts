/**
 * The network's version our protocol equals. Peers compare it with their minimum, so it must be a release they
 * know; the part behind the hyphen is ignored by their comparison.
 */
export const NETWORK_VERSION = "0.9.1";

/** The version text we advertise: the network version, then our own build. */
export function advertisedVersion(build: string): string {
  return `${NETWORK_VERSION}-reprise.${build}`;
}

/**
 * Whether a node of `version` satisfies the minimum `minVersion`. Pre-release suffixes are ignored on both sides.
 *
 * No minimum, and one that cannot be read, hold nobody off; an unknown version (empty or `undefined`) satisfies
 * no minimum. Source: video sheet 10.4, rule 1.
 */
export function isVersionSufficient(minVersion: string, version: string): boolean {
  if (minVersion === "") return true;
  if (version === "" || version === "undefined") return false;
  const minimum = parseVersion(minVersion);
  if (minimum === null) return true;
  const actual = parseVersion(version);
  if (actual === null) return false;
  for (let index = 0; index < 3; index++) {
    const difference = (actual[index] ?? 0n) - (minimum[index] ?? 0n);
    if (difference !== 0n) return difference > 0n;
  }
  return true;
}

/** Major, minor, patch; null when the text is no version. */
function parseVersion(text: string): readonly bigint[] | null {
  if (text.length > 256) return null;
  const match = versionPattern.exec(text);
  if (match === null) return null;
  const numbers = match.slice(1, 4).map((digits) => BigInt(digits ?? "0"));
  return numbers.every((number) => number < 1n << 64n) ? numbers : null;
}

/** Lenient semantic version: minor and patch may be missing, zeros may lead. */
const versionPattern =
  /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?$/;
