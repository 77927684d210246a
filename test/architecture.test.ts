import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { drizzle } from "drizzle-orm/bun-sqlite";
import { migrate } from "drizzle-orm/bun-sqlite/migrator";
import { filePaths, fileText, repositoryDir, type SourceFile, sourceFiles } from "./support/sourceFiles.ts";

/*
 * Goal: the shape of the house that ARCHITECTURE.md describes is a fact, not a wish. Method: read every file of
 * `src/`, and compare its imports and its words with the tables below. Each test lists all offenders at once.
 */

/** What each room may import of ours. A room is a folder of `src/`; inside a room everything is allowed. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  shared: [],
  protocol: ["shared"],
  events: ["shared"],
  "events/log": ["events", "events/views", "shared"],
  "events/views": ["events", "events/log", "shared"],
  actors: ["events", "protocol", "shared"],
  runtime: ["actors", "events", "events/log", "events/views", "protocol", "shared"],
  native: ["shared"],
  chain: ["native", "protocol", "shared"],
  gpu: ["native", "protocol", "shared"],
  workers: ["native", "protocol", "shared"],
  storage: ["protocol", "shared"],
  webhooks: ["protocol", "shared"],
  server: ["protocol", "shared"],
  redeemer: ["protocol", "shared"],
  telemetry: ["events", "protocol", "shared"],
  operator: ["protocol", "shared"],
  config: ["protocol", "shared"],
  demo: ["protocol", "shared"],
  replay: ["actors", "events", "events/log", "events/views", "protocol", "runtime", "shared"],
  ledger: ["actors", "events", "events/log", "events/views", "protocol", "replay", "runtime", "shared"],
  cli: ["chain", "config", "native", "protocol", "replay", "shared"],
  live: ["protocol", "shared"],
  ai: ["protocol", "shared"],
};

/** Puts everything together, with the entry points beside it: may import every room, and no room imports it. */
const compositionRoom = "start";

/** Contracts between rooms: every room may import these, as types or values. */
const contracts = [
  "src/runtime/ports.ts",
  "src/runtime/chainPorts.ts",
  "src/runtime/service.ts",
  "src/workers/messages.ts",
];

/** Rooms without time, randomness and I/O, and the packages that are pure too. */
const pureRooms: Readonly<Record<string, readonly string[]>> = {
  shared: [],
  events: [],
  actors: ["xstate"],
  protocol: ["@bufbuild/protobuf", "@noble/hashes"],
};

/** Packages that belong to certain rooms or files: a second user means that a boundary has moved. */
const owners: Readonly<Record<string, readonly string[]>> = {
  "bun:ffi": ["src/gpu/ffi.ts", "src/native/ffi.ts"],
  "bun:sqlite": ["src/events/log/", "src/events/views/", "src/ledger/", "src/replay/"],
  "drizzle-orm": ["src/events/log/", "src/events/views/"],
  xstate: ["src/actors/", "src/runtime/"],
  elysia: ["src/server/", "src/operator/"],
  "@connectrpc/connect": ["src/server/", "src/workers/"],
  "@connectrpc/connect-node": ["src/server/", "src/workers/"],
  "@peculiar/x509": ["src/server/"],
  "@opentelemetry": ["src/telemetry/"],
  viem: ["src/chain/"],
};

/** Files and folders that a newcomer, or the house rules, expect at these places. */
const fixedPlaces = [
  ...["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "LICENSE", "package.json", "bunfig.toml", ".ci/run"],
  ...["src/main.ts", "src/actors", "src/events", "src/gpu", "src/chain", "migrations", "bench", "test"],
];

/** SHA-256 of every migration that was ever merged. Add a line for a new one; never change an old one. */
const mergedMigrations: Readonly<Record<string, string>> = {
  "0000_log": "ae96752d0b99e8a8915032cb5a213f36560102194491169d6af320ba247cd270",
  "0001_money": "f585ccaa62a9e9da4804e1193a0e77b5ab948131b6de71a37d8d2b2408b418ee",
  "0002_money_out": "90acb3ff6f00b4e024fcd78fec01a0b78883223bf1328c39b0ba8548a33e720c",
  "0003_redeemer": "c0d33ce05899efa10eb5018e32e485c735de65999795bb623887707ca37a470a",
};

const sources = sourceFiles("src/**/*.ts");
const everyText = filePaths("{src,test,bench,scripts,docs,migrations,.ci}/**/*")
  .concat(filePaths("*.{md,json,toml,lock}"), filePaths(".git*"))
  .filter((path) => /\.(ts|c|h|md|json|toml|sql|lock)$|\/run$|\.git\w+$/.test(path));
// The two words are joined here, so that this file does not offend its own rule.
const unfinishedMark = new RegExp(`\\b(TO${"DO"}|FIX${"ME"}|XX${"X"})\\b(?!\\(#\\d+\\))`);
const machinePath = new RegExp(`(^|[^\\w.])/(wo${"rk"}|ro${"ot"}|far${"m"})/|/tmp/bash${"_jobs"}`);

describe("rooms", () => {
  test("every file of src/ lies in a known room or is an entry point", () => {
    const known = [...Object.keys(rooms), compositionRoom];
    const strangers = sources.filter((file) => {
      const room = roomOf(file.path);
      return room !== null && !known.includes(room);
    });
    expect(strangers.map((file) => file.path)).toEqual([]);
  });

  test("a room imports only what its line of the table allows", () => {
    const offences = sources.flatMap((file) =>
      file.imports.filter((to) => !isAllowed(file.path, to)).map((to) => `${file.path} -> ${to}`),
    );
    expect(offences).toEqual([]);
  });

  // Entry points and the room of composition know everybody; that works only as long as nobody knows them.
  test("nobody imports an entry point", () => {
    const isEntry = (path: string) => /^src\/(main|replay|tickets|ledger|cli)\.ts$/.test(path);
    const offences = sources.flatMap((file) =>
      file.imports.filter(isEntry).map((to) => `${file.path} -> ${to}`),
    );
    expect(offences).toEqual([]);
  });

  test("no files load one another in a circle", () => {
    expect(loadCircles(sources)).toEqual([]);
  });

  test("a package stays with its owners", () => {
    const offences = sources.flatMap((file) =>
      file.packages
        .filter((name) => {
          const allowed = owners[name] ?? owners[packageName(name)] ?? owners[name.split("/")[0] ?? ""];
          return allowed !== undefined && !allowed.some((owner) => file.path.startsWith(owner));
        })
        .map((name) => `${file.path} -> ${name}`),
    );
    expect(offences).toEqual([]);
  });

  test("every file of src/ is used by another one, or is started by name", () => {
    const imported = new Set(sources.flatMap((file) => file.imports));
    const unused = sources.filter((file) => {
      if (!file.path.slice("src/".length).includes("/") || imported.has(file.path)) return false;
      return !sources.some((other) => other !== file && other.code.includes(`/${basename(file.path)}"`));
    });
    expect(unused.map((file) => file.path)).toEqual([]);
  });
});

describe("pure rooms", () => {
  const pureFiles = sources.filter((file) => (roomOf(file.path) ?? "") in pureRooms);

  test("they load nothing that reaches the outside world", () => {
    const offences = pureFiles.flatMap((file) => {
      const allowed = pureRooms[roomOf(file.path) ?? ""] ?? [];
      return file.packages
        .filter((name) => !allowed.includes(packageName(name)))
        .map((name) => `${file.path} -> ${name}`);
    });
    expect(offences).toEqual([]);
  });

  test("they name no clock, no randomness and no I/O", () => {
    const impure =
      /(?<![.\w$"'`])(Math\.random|Date|performance|crypto|process|Bun|fetch|setTimeout|setInterval|setImmediate|queueMicrotask)\s*[.(]|new Date\b/;
    const offences = pureFiles.flatMap((file) => {
      const found = impure.exec(file.code);
      return found === null ? [] : [`${file.path}: ${found[0]}`];
    });
    expect(offences).toEqual([]);
  });
});

describe("files", () => {
  test("none is longer than 600 lines", () => {
    const written = sourceFiles("{src,test,bench,scripts}/**/*.ts").map((file) => file.path);
    const long = [...written, ...filePaths("src/**/*.{c,h}")]
      .map((path) => ({ path, lineCount: fileText(path).split("\n").length }))
      .filter(({ lineCount }) => lineCount > 600);
    expect(long).toEqual([]);
  });

  test("there are no barrel files", () => {
    const reExport = /^export\s*(\*|\{[^}]*\})[^;\n]*\sfrom\s/m;
    const barrels = sources.filter((file) => basename(file.path) === "index.ts" || reExport.test(file.code));
    expect(barrels.map((file) => file.path)).toEqual([]);
  });

  test("an unfinished mark carries an issue number", () => {
    expect(linesMatching(unfinishedMark)).toEqual([]);
  });

  test("none names a path of somebody's machine", () => {
    expect(linesMatching(machinePath)).toEqual([]);
  });

  test("what people look for is where they look for it", () => {
    expect(fixedPlaces.filter((path) => !existsSync(join(repositoryDir, path)))).toEqual([]);
  });
});

describe("packages", () => {
  const manifest: {
    readonly engines: { readonly bun: string };
    readonly dependencies: Readonly<Record<string, string>>;
    readonly devDependencies: Readonly<Record<string, string>>;
  } = JSON.parse(fileText("package.json"));

  test("versions are exact", () => {
    const all = Object.entries({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(all.length).toBeGreaterThan(0);
    expect(all.filter(([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version))).toEqual([]);
  });

  test("README.md and .ci/run start the Bun of package.json", () => {
    for (const path of ["README.md", ".ci/run"]) {
      const versions = [...fileText(path).matchAll(/\bbun@([\d.]+\d)/g)].map((match) => match[1]);
      expect(new Set(versions)).toEqual(new Set([manifest.engines.bun]));
    }
  });

  test("everything that src/ loads is a dependency, and every dependency is loaded", () => {
    const loaded = new Set(
      sources
        .flatMap((file) => file.packages)
        .filter(isFromRegistry)
        .map(packageName),
    );
    // The tool of scripts that are not started by every user.
    const elsewhere = ["zx"];
    const named = Object.keys(manifest.dependencies).filter((name) => !elsewhere.includes(name));
    expect([...loaded].sort()).toEqual(named.sort());
  });
});

describe("migrations", () => {
  type JournalEntry = { readonly idx: number; readonly when: number; readonly tag: string };
  const journalPath = "migrations/meta/_journal.json";
  const entries: readonly JournalEntry[] = JSON.parse(fileText(journalPath)).entries;

  // The migrator applies only entries newer than the last applied one: a late-merged one would be skipped silently.
  test("the journal is in order and names every file", () => {
    expect(entries.map((entry) => entry.idx)).toEqual(entries.map((_, index) => index));
    const times = entries.map((entry) => entry.when);
    expect(times).toEqual([...new Set(times)].sort((a, b) => a - b));
    const tags = entries.map((entry) => `migrations/${entry.tag}.sql`);
    expect(tags.sort()).toEqual(filePaths("migrations/*.sql"));
  });

  // The migrator never notices that an applied migration was edited: two nodes would have different tables.
  test("a merged migration has not been edited", () => {
    const actual = Object.fromEntries(
      entries.map(({ tag }) => [
        tag,
        createHash("sha256")
          .update(fileText(`migrations/${tag}.sql`))
          .digest("hex"),
      ]),
    );
    expect(actual).toEqual({ ...mergedMigrations });
  });

  // Without a breakpoint between them, only the first of two statements runs. So: compare with SQLite's own reading.
  test("the migrator runs every statement of every file", () => {
    const migrated = new Database(":memory:");
    migrate(drizzle(migrated), { migrationsFolder: join(repositoryDir, "migrations") });
    const direct = new Database(":memory:");
    for (const { tag } of entries) direct.run(fileText(`migrations/${tag}.sql`));
    expect(schemaOf(migrated)).toEqual(schemaOf(direct));
    expect(schemaOf(direct).length).toBeGreaterThan(0);
  });
});

/** The longest room of the table that `path` lies in, its folder when none does; null for entry points. */
function roomOf(path: string): string | null {
  const [, first = "", second = ""] = path.split("/");
  if (second === "") return null;
  const nested = `${first}/${second}`;
  return nested in rooms ? nested : first;
}

function isAllowed(from: string, to: string): boolean {
  const [here, there] = [roomOf(from), roomOf(to)];
  if (here === null || here === compositionRoom || here === there || contracts.includes(to)) return true;
  return there !== null && (rooms[here] ?? []).includes(there);
}

/** `@scope/name/deep/file` and `name/deep/file` belong to the package in front. */
function packageName(specifier: string): string {
  return specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");
}

function isFromRegistry(specifier: string): boolean {
  return !specifier.startsWith("node:") && specifier !== "bun" && !specifier.startsWith("bun:");
}

/** One line for each circle of run-time imports, found by depth-first search. */
function loadCircles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const finished = new Set<string>();
  const circles: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) circles.push([...trail.slice(trail.indexOf(path)), path].join(" -> "));
    if (trail.includes(path) || finished.has(path)) return;
    for (const next of byPath.get(path)?.loads ?? []) visit(next, [...trail, path]);
    finished.add(path);
  };
  for (const file of files) visit(file.path, []);
  return circles;
}

function linesMatching(pattern: RegExp): string[] {
  return everyText.flatMap((path) =>
    fileText(path)
      .split("\n")
      .flatMap((line, index) =>
        pattern.test(line) ? [`${path}:${index + 1}: ${line.trim().slice(0, 100)}`] : [],
      ),
  );
}

function schemaOf(db: Database): unknown[] {
  return db
    .query("SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE '%drizzle%' ORDER BY type, name")
    .all();
}
