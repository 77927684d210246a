import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { SetupError, tell } from "./setupError.ts";
import { installSystemPackages, missingSystemPackages, tooOldFfmpeg } from "./systemPackages.ts";
import { withSetupLock } from "./withSetupLock.ts";

/** What a command needs beyond Bun and the packages of the lockfile. */
export type Needs = {
  /** Our C libraries, built for the FFmpeg of this system. */
  readonly libraries: boolean;
  /** The commands `ffmpeg` and `ffprobe`. */
  readonly mediaTools: boolean;
};

const repositoryDir = resolve(import.meta.dir, "../..");
const buildDir = join(repositoryDir, ".build");
const modulesDir = join(repositoryDir, "node_modules");
// Inside node_modules, so that it goes away together with what it vouches for.
const stampPath = join(modulesDir, ".reprise-stamp");
// Exists while an install runs: found at the start, it means that the last one was cut off half way.
const unfinishedPath = join(buildDir, "install-unfinished");

/**
 * Makes sure that packages, system libraries and our own libraries are in place. When they are, this writes
 * nothing, asks no network and takes milliseconds; several starts at once wait for one another.
 *
 * @returns whether packages were installed: this process has looked for them before and goes on not finding them
 * @throws SetupError when something is missing and cannot be installed from here
 */
export async function ensureReady(needs: Needs): Promise<{ readonly isFresh: boolean }> {
  warnAboutVersion();
  const stamp = lockStamp();
  const arePackagesReady = readStamp() === stamp;
  // With packages in place the libraries can be looked for without a lock; otherwise everything is done in turn.
  if (arePackagesReady && (await systemFault(needs)) === null) {
    return { isFresh: false };
  }

  await withSetupLock(buildDir, async () => {
    if (readStamp() !== stamp) installPackages(stamp);
    const fault = await systemFault(needs);
    if (fault === null) return;
    const missing = missingSystemPackages();
    if (missing.length > 0) installSystemPackages(missing);
    const remaining = missing.length > 0 ? await systemFault(needs) : fault;
    if (remaining !== null) throw new SetupError(tooOldFfmpeg() ?? remaining);
  });
  return { isFresh: !arePackagesReady };
}

/** Null when everything beyond the packages is there, else what is wrong. Builds our libraries when it can. */
async function systemFault(needs: Needs): Promise<string | null> {
  if (needs.mediaTools && (Bun.which("ffmpeg") === null || Bun.which("ffprobe") === null)) {
    return "the commands `ffmpeg` and `ffprobe` are missing. Install the package `ffmpeg`.";
  }
  if (!needs.libraries) return null;
  try {
    const startedMs = performance.now();
    const { buildCodecLibrary } = await import("../../src/gpu/build.ts");
    const { buildNativeLibrary } = await import("../../src/native/build.ts");
    buildNativeLibrary();
    buildCodecLibrary();
    const tookMs = performance.now() - startedMs;
    // A cached library is found in a fraction of this.
    if (tookMs > 1_000) tell(`built the codec library (${(tookMs / 1000).toFixed(1)} s).`);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function installPackages(stamp: string): void {
  mkdirSync(buildDir, { recursive: true });
  // A package that was copied half way looks installed to the package manager: start over.
  if (existsSync(unfinishedPath)) rmSync(modulesDir, { recursive: true, force: true });
  writeFileSync(unfinishedPath, "");
  tell("installing packages from bun.lock ...");
  const startedMs = performance.now();
  const done = Bun.spawnSync([process.execPath, "install", "--frozen-lockfile"], {
    cwd: repositoryDir,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  if (done.exitCode !== 0) {
    const log = (done.stdout.toString() + done.stderr.toString()).trim().split("\n").slice(-15).join("\n");
    throw new SetupError(
      `\`bun install --frozen-lockfile\` failed:\n${log}\nCheck the network, then give the same command again.`,
    );
  }
  mkdirSync(modulesDir, { recursive: true });
  const draft = `${stampPath}.${process.pid}`;
  writeFileSync(draft, stamp);
  renameSync(draft, stampPath);
  rmSync(unfinishedPath, { force: true });
  tell(`installed packages (${((performance.now() - startedMs) / 1000).toFixed(1)} s).`);
}

/** Changes whenever `node_modules` has to be made anew. */
function lockStamp(): string {
  const hash = createHash("sha256");
  hash.update(`${process.platform} ${process.arch}\n`);
  hash.update(readFileSync(join(repositoryDir, "bun.lock")));
  return hash.digest("hex");
}

function readStamp(): string | null {
  try {
    return readFileSync(stampPath, "utf8");
  } catch {
    return null;
  }
}

function warnAboutVersion(): void {
  const manifest: { readonly engines?: { readonly bun?: string } } = JSON.parse(
    readFileSync(join(repositoryDir, "package.json"), "utf8"),
  );
  const wanted = manifest.engines?.bun;
  if (wanted === undefined || wanted === Bun.version) return;
  tell(`this is Bun ${Bun.version}; Reprise is tested with ${wanted}: \`npx -y bun@${wanted} run ...\``);
}
