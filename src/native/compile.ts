import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { BaseError } from "../shared/errors.ts";

/** Where compiled libraries live, beside the sources that they were made from. */
export const buildFolder = resolve(import.meta.dir, "../../.build");

/** What goes into one shared library. */
export type LibraryRecipe = {
  /** File name of the library, for example `libreprise.so`. */
  readonly name: string;
  /** Prefix of the folder under `.build`; the hash follows. */
  readonly folder: string;
  /** C files to compile, absolute. */
  readonly sources: readonly string[];
  /** Further files whose content matters, absolute. */
  readonly headers: readonly string[];
  /** Packages of `pkg-config` to compile and link with. */
  readonly packages: readonly string[];
  /** What to install when a package is missing, for the error's advice. */
  readonly advice: string;
};

const compiler = "cc";
const compilerFlags = [
  "-std=c11",
  "-D_GNU_SOURCE",
  "-O2",
  "-fPIC",
  "-fvisibility=hidden",
  "-Wall",
  "-Wextra",
];

/**
 * The path of a library made from exactly these sources with this compiler and these packages; compiled when
 * no earlier call left it in the cache. Blocks for the time of the compiler, a few seconds, at most once.
 *
 * @throws CompileError when the compiler, `pkg-config` or a package is missing, or a source does not compile.
 */
export function compileLibrary(recipe: LibraryRecipe): string {
  const version = run([compiler, "--version"], recipe.advice);
  const flags = packageFlags(recipe);
  const hash = new Bun.CryptoHasher("sha256");
  for (const part of [process.arch, version, ...compilerFlags, ...flags]) hash.update(`${part}\0`);
  for (const path of [...recipe.sources, ...recipe.headers]) {
    hash
      .update(`${basename(path)}\0`)
      .update(readFileSync(path))
      .update("\0");
  }
  const folder = join(buildFolder, `${recipe.folder}-${hash.digest("hex").slice(0, 32)}`);
  const path = join(folder, recipe.name);
  if (existsSync(path)) return path;

  mkdirSync(folder, { recursive: true });
  // Two processes may build at once: each writes its own file, the last rename wins with equal content.
  const draft = `${path}.${process.pid}`;
  run([compiler, ...compilerFlags, "-shared", "-o", draft, ...recipe.sources, ...flags], recipe.advice);
  renameSync(draft, path);
  removeOlder(recipe.folder, folder);
  return path;
}

/** The system cannot compile our C: something must be installed, or a source is broken. */
export class CompileError extends BaseError {
  constructor(message: string, action: string) {
    super(message, { code: "NATIVE_COMPILE_FAILED", disposition: "halt", action });
  }
}

function packageFlags(recipe: LibraryRecipe): string[] {
  if (recipe.packages.length === 0) return [];
  const versions = run(["pkg-config", "--modversion", ...recipe.packages], recipe.advice);
  const flags = run(["pkg-config", "--cflags", "--libs", ...recipe.packages], recipe.advice);
  // The versions change nothing for the compiler; they make the hash follow an upgrade of the libraries.
  const marker = `-DREPRISE_BUILT_WITH="${versions.trim().split("\n").join(" ")}"`;
  return [marker, ...flags.trim().split(/\s+/)];
}

function run(command: readonly string[], advice: string): string {
  let done: Bun.SyncSubprocess<"pipe", "pipe">;
  try {
    done = Bun.spawnSync([...command], { stdout: "pipe", stderr: "pipe" });
  } catch {
    throw new CompileError(`The program ${command[0]} was not found.`, advice);
  }
  if (done.exitCode === 0) return done.stdout.toString();
  const text = done.stderr.toString().trim().split("\n").slice(0, 20).join("\n");
  throw new CompileError(`${command[0]} failed with code ${done.exitCode}:\n${text}\n`, advice);
}

/** Keeps the cache from growing with every edit: only the two newest builds of a library stay. */
function removeOlder(prefix: string, current: string): void {
  const others = readdirSync(buildFolder)
    .filter((name) => name.startsWith(`${prefix}-`) && join(buildFolder, name) !== current)
    .map((name) => ({
      path: join(buildFolder, name),
      madeMs: Bun.file(join(buildFolder, name)).lastModified,
    }))
    .sort((a, b) => b.madeMs - a.madeMs);
  for (const old of others.slice(1)) rmSync(old.path, { recursive: true, force: true });
}
