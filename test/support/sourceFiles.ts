import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";

/** The repository's root folder. */
export const repositoryDir = resolve(import.meta.dir, "../..");

/** A TypeScript file of this repository, with what it imports. */
export type SourceFile = {
  /** From the repository's root, with `/`. */
  readonly path: string;
  readonly text: string;
  /** JavaScript without comments and types. */
  readonly code: string;
  /** Our own files that it imports, types included: paths from the repository's root. */
  readonly imports: readonly string[];
  /** Those of `imports` that are loaded at run time. */
  readonly loads: readonly string[];
  /** Packages and built-in modules that it loads at run time. */
  readonly packages: readonly string[];
};

/** Every TypeScript file that matches `pattern`, in order of its path. Generated code is left out. */
export function sourceFiles(pattern: string): SourceFile[] {
  return filePaths(pattern)
    .filter((path) => !path.startsWith("src/protocol/gen/"))
    .map(readSource);
}

/** Paths of the files that match, in order, without installed packages and build results. */
export function filePaths(pattern: string): string[] {
  const found = new Bun.Glob(pattern).scanSync({ cwd: repositoryDir, dot: true, onlyFiles: true });
  return [...found].filter((path) => !/^(node_modules|\.build|\.git)\//.test(path)).sort();
}

/** The text of a file, by its path from the repository's root. */
export function fileText(path: string): string {
  return readFileSync(join(repositoryDir, path), "utf8");
}

const transpiler = new Bun.Transpiler({ loader: "ts" });

function readSource(path: string): SourceFile {
  const text = fileText(path);
  const loaded = transpiler.scanImports(text).map((found) => found.path);
  // The transpiler drops `import type`; those lines have one fixed form, so a pattern finds them.
  const named = [...text.matchAll(/^(?:import|export)\s[^;"]*?\sfrom\s+"([^"]+)"/gm)].map(
    (match) => match[1] ?? "",
  );
  const own = (specifiers: readonly string[]) => [
    ...new Set(specifiers.filter((name) => name.startsWith(".")).map((name) => target(path, name))),
  ];
  return {
    path,
    text,
    code: transpiler.transformSync(text),
    imports: own([...loaded, ...named]),
    loads: own(loaded),
    packages: [...new Set(loaded.filter((name) => !name.startsWith(".")))],
  };
}

function target(from: string, specifier: string): string {
  return relative(repositoryDir, resolve(repositoryDir, dirname(from), specifier));
}
