import { readFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";

/** Where the measurements are. */
export const benchDir = resolve(import.meta.dir, "../../bench");

/**
 * Names of all measurements, without `.ts`, in order. A file of `bench/` that another one imports is a helper, not
 * a measurement.
 */
export function benchNames(): string[] {
  const transpiler = new Bun.Transpiler({ loader: "ts" });
  const files = [...new Bun.Glob("*.ts").scanSync({ cwd: benchDir })];
  const helpers = files.flatMap((file) =>
    transpiler
      .scanImports(readFileSync(join(benchDir, file), "utf8"))
      .filter((found) => found.path.startsWith("./"))
      .map((found) => basename(found.path)),
  );
  return files
    .filter((file) => !helpers.includes(file))
    .map((file) => file.slice(0, -".ts".length))
    .sort();
}
