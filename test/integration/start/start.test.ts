import { afterAll, afterEach, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../support/nodeFixture.ts";
import { repositoryDir } from "../../support/sourceFiles.ts";

/*
 * Goal: the two commands of README.md do what it says. Method: run them as a user does, as processes, and look at
 * what they print, leave and answer.
 */

const dir = mkdtempSync(join(tmpdir(), "reprise-start-"));
const children: Bun.Subprocess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Ended = { readonly exitCode: number; readonly out: string; readonly err: string };

async function run(command: readonly string[], cwd = repositoryDir): Promise<Ended> {
  const child = Bun.spawn([process.execPath, ...command], {
    cwd,
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  children.push(child);
  const [out, err] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { exitCode: await child.exited, out, err };
}

test("the demonstration passes, and the log of it verifies", async () => {
  const dataDir = join(dir, "demo");
  const flags = await loopbackFlags(dataDir);
  const demo = await run(["run", "orchestrator", "--", "--demo", ...flags]);
  expect(demo.out).toContain("Demo passed: every rendition decodes to exactly the billed pixels.");
  expect(demo.exitCode).toBe(0);
  const folder = /^Renditions: (.*)$/m.exec(demo.out)?.[1] ?? "";
  expect(readdirSync(folder)).toContain("source");

  const replayed = await run(["run", "replay", "verify", "--dataDir", dataDir]);
  expect(replayed.err).not.toContain("problem");
  expect(replayed.exitCode).toBe(0);
}, 240_000);

test("once set up, a start writes nothing and says nothing", async () => {
  await run(["scripts/start.ts", "setup"]);
  const before = treeOf(join(repositoryDir, ".build"));
  const again = await run(["scripts/start.ts", "replay", "--", "--help"]);
  expect(again).toMatchObject({ exitCode: 0, err: "" });
  expect(again.out).toContain("replay list");
  expect(treeOf(join(repositoryDir, ".build"))).toEqual(before);
});

test("an unknown command is refused with the known ones", async () => {
  const ended = await run(["scripts/start.ts", "nothing"]);
  expect(ended.exitCode).toBe(2);
  expect(ended.err).toContain("orchestrator, replay, tickets, ledger, cli, devchain, verify, bench, setup");
});

// The checkout here depends on a folder of its own only, so that the real package manager needs no registry.
test("several first starts at once set up once, and an install that was cut off is done afresh", async () => {
  const checkout = await smallCheckout();
  const starts = await Promise.all(
    [1, 2, 3].map(() => run(["scripts/start.ts", "replay", "--", "a b"], checkout)),
  );
  expect(starts.map((start) => start.exitCode)).toEqual([0, 0, 0]);
  expect(starts.filter((start) => start.err.includes("installed packages"))).toHaveLength(1);
  expect(starts.every((start) => start.out === "replayed a b\n")).toBe(true);
  expect(existsSync(join(checkout, "node_modules/local/package.json"))).toBe(true);

  // What a kill in the middle leaves: the mark, packages half copied, no stamp.
  writeFileSync(join(checkout, ".build/install-unfinished"), "");
  rmSync(join(checkout, "node_modules/.reprise-stamp"));
  mkdirSync(join(checkout, "node_modules/half"));
  const repaired = await run(["scripts/start.ts", "replay"], checkout);
  expect(repaired.err).toContain("installed packages");
  expect(existsSync(join(checkout, "node_modules/half"))).toBe(false);
  expect(existsSync(join(checkout, ".build/install-unfinished"))).toBe(false);
});

test("a lockfile that the registry cannot satisfy ends with advice, not with a stack", async () => {
  const checkout = await smallCheckout();
  const manifest = JSON.parse(readFileSync(join(checkout, "package.json"), "utf8"));
  const wanting = { ...manifest, dependencies: { local: "file:./elsewhere" } };
  writeFileSync(join(checkout, "package.json"), JSON.stringify(wanting));
  const ended = await run(["scripts/start.ts", "replay"], checkout);
  expect(ended.exitCode).toBe(1);
  expect(ended.err).toContain("`bun install --frozen-lockfile` failed");
  expect(ended.err).not.toContain("    at ");
});

// `npx` and `bun run` that are killed pass nothing on: the node has to notice by itself, or it would hold the port.
test("a node whose launcher was killed stops and frees its port", async () => {
  const flags = await loopbackFlags(join(dir, "orphan"));
  const port = Number(/:(\d+)$/.exec(flags[1] ?? "")?.[1]);
  const launcher = Bun.spawn([process.execPath, "run", "orchestrator", "--", ...flags], {
    cwd: repositoryDir,
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
  });
  children.push(launcher);
  await until(() => accepts(port));
  launcher.kill("SIGKILL");
  // The node holds the other end of this pipe: its end is the node's end.
  const log = await new Response(launcher.stderr).text();
  expect(log).toContain("the command that started this node is gone: stopping");
  expect(await accepts(port)).toBe(false);
}, 120_000);

async function loopbackFlags(dataDir: string): Promise<string[]> {
  const [service, operator] = await Promise.all([freePort(), freePort()]);
  return ["-serviceAddr", `127.0.0.1:${service}`, "-cliAddr", `127.0.0.1:${operator}`, "-dataDir", dataDir];
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

/** A node says on no channel of ours that it listens: asking is the event. */
async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await Bun.sleep(20);
}

/** A checkout with the real set-up scripts, one package to install, and a `replay` of one line. */
async function smallCheckout(): Promise<string> {
  const checkout = mkdtempSync(join(dir, "checkout-"));
  cpSync(join(repositoryDir, "scripts"), join(checkout, "scripts"), { recursive: true });
  mkdirSync(join(checkout, "src"));
  // Uses the package: one that was installed a moment ago must be found, too.
  const replay = 'import { word } from "local";\nconsole.log(word, ...process.argv.slice(2));\n';
  writeFileSync(join(checkout, "src/replay.ts"), replay);
  mkdirSync(join(checkout, "local"));
  writeFileSync(join(checkout, "local/package.json"), JSON.stringify({ name: "local", version: "1.0.0" }));
  writeFileSync(join(checkout, "local/index.js"), 'export const word = "replayed";\n');
  const manifest = { name: "small", engines: { bun: Bun.version }, dependencies: { local: "file:./local" } };
  writeFileSync(join(checkout, "package.json"), JSON.stringify(manifest));
  expect((await run(["install", "--lockfile-only"], checkout)).exitCode).toBe(0);
  return checkout;
}

/** Path and time of change of every file, but for what tests themselves write. */
function treeOf(root: string): string[] {
  return [...new Bun.Glob("**/*").scanSync({ cwd: root, dot: true })]
    .filter((path) => !/^(media|verify|contracts|test-[^/]*|bench[^/]*)\//.test(path))
    .map((path) => `${path} ${Bun.file(join(root, path)).lastModified}`)
    .sort();
}
