import { existsSync } from "node:fs";
import { SetupError, tell } from "./setupError.ts";

/** Something outside this repository, and the Debian or Ubuntu package that brings it. */
type SystemPackage = { readonly name: string; readonly isPresent: () => boolean };

/** What FFmpeg 5.1 calls its container library. */
const AVFORMAT_VERSION_MIN = "59.27";

const systemPackages: readonly SystemPackage[] = [
  { name: "ffmpeg", isPresent: () => Bun.which("ffmpeg") !== null && Bun.which("ffprobe") !== null },
  { name: "gcc", isPresent: () => Bun.which("cc") !== null },
  // gcc alone only recommends the C library's headers.
  { name: "libc6-dev", isPresent: () => existsSync("/usr/include/stdio.h") },
  { name: "pkg-config", isPresent: () => Bun.which("pkg-config") !== null },
  ...["libavcodec", "libavfilter", "libavformat", "libavutil", "libswresample", "libswscale"].map(
    (library) => ({ name: `${library}-dev`, isPresent: () => hasLibrary(library) }),
  ),
  { name: "libsecp256k1-dev", isPresent: () => hasLibrary("libsecp256k1") },
];

/** Names of the Debian packages that this machine lacks. All that any command needs: one run installs them. */
export function missingSystemPackages(): string[] {
  return systemPackages.filter((wanted) => !wanted.isPresent()).map((wanted) => wanted.name);
}

/**
 * Says so when the FFmpeg of this system is too old for our codec library, which no package of the same system can
 * mend; null when it is not.
 */
export function tooOldFfmpeg(): string | null {
  const command = ["pkg-config", `--atleast-version=${AVFORMAT_VERSION_MIN}`, "libavformat"];
  if (!hasLibrary("libavformat") || run(command) === null) return null;
  return (
    "the FFmpeg libraries of this system are older than 5.1, which Reprise needs. " +
    "Debian 12 and Ubuntu 24.04 have newer ones."
  );
}

/**
 * Installs Debian packages when that is possible without asking anybody: as root, or by a `sudo` that needs no
 * password.
 *
 * @throws SetupError with the one command to run when it is not
 */
export function installSystemPackages(names: readonly string[]): void {
  const advice =
    `missing: ${names.join(", ")}. Run this once, then start again:\n\n` +
    `  sudo apt-get update && sudo apt-get install -y --no-install-recommends ${names.join(" ")}\n`;
  if (Bun.which("apt-get") === null) {
    throw new SetupError(
      `${advice}\n(These are the names of Debian and Ubuntu; other systems have the like.)`,
    );
  }
  const prefix = rightsPrefix();
  if (prefix === null) throw new SetupError(advice);

  tell(`installing system packages with apt-get: ${names.join(", ")}`);
  tell("this happens once and takes a minute or two ...");
  const startedMs = performance.now();
  const apt = [...prefix, "apt-get", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"];
  // A failed update (one dead mirror is enough) is no reason to stop: the lists at hand may do.
  run([...apt, "update"]);
  const log = run([...apt, "install", "--no-install-recommends", ...names]);
  if (log !== null) {
    throw new SetupError(
      `\`apt-get install\` failed:\n${log.split("\n").slice(-15).join("\n")}\n\n${advice}`,
    );
  }
  tell(`installed system packages (${((performance.now() - startedMs) / 1000).toFixed(0)} s).`);
}

/** What to put before `apt-get`; null when we have no right to run it. */
function rightsPrefix(): readonly string[] | null {
  const environment = ["env", "DEBIAN_FRONTEND=noninteractive"];
  if (process.getuid?.() === 0) return environment;
  if (Bun.which("sudo") === null || run(["sudo", "-n", "true"]) !== null) return null;
  return ["sudo", "-n", ...environment];
}

function hasLibrary(library: string): boolean {
  return Bun.which("pkg-config") !== null && run(["pkg-config", "--exists", library]) === null;
}

/** Null when the command succeeded, else what it printed. */
function run(command: readonly string[]): string | null {
  const done = Bun.spawnSync([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  return done.exitCode === 0 ? null : (done.stdout.toString() + done.stderr.toString()).trim();
}
