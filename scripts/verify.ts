import { existsSync, mkdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { benchDir, benchNames } from "./verify/benchNames.ts";
import { type Counts, countTests } from "./verify/countTests.ts";
import { describeFailures, failedTests } from "./verify/failedTests.ts";
import { runStep, type Step, type StepEnd } from "./verify/runStep.ts";

/*
 * Everything that must hold before a change lands, in the order in which mistakes are cheapest to find:
 *
 *   bun run verify               all of it
 *   bun run verify unit vectors  only the named steps
 *
 * Prints a line for each step, what failed, a table, and at the very end `N passed, N failed`. Full logs are in
 * `.build/verify/`. Exit status 0 only when nothing failed.
 */

const repositoryDir = resolve(import.meta.dir, "..");
const logDir = join(repositoryDir, ".build/verify");
const MINUTE_MS = 60_000;
/** The whole run stays under an hour whatever hangs: later steps get what is left. */
const TOTAL_MS_MAX = 50 * MINUTE_MS;
/** One test. Generous, because a busy machine with two cores also transcodes meanwhile. */
const TEST_MS_MAX = 60_000;

type Check = Step & { readonly kind: "check" | "tests" };
type Outcome = {
  readonly name: string;
  readonly counts: Counts;
  readonly tookMs: number;
  readonly note: string;
  /** Lines for people; none when it is no test suite, or when all is well. */
  readonly failures: readonly string[];
};

const bun = process.execPath;
const testGroups: readonly (readonly [name: string, limitMinutes: number])[] = [
  ["unit", 5],
  ["vectors", 4],
  ["replay", 3],
  ["simulation", 5],
  ["integration", 30],
];

/** Runs the steps named in `args`, or all. Returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const checks = allChecks().filter((check) => args.length === 0 || args.includes(check.name));
  if (checks.length === 0) {
    console.error(
      `No such step. Known: ${allChecks()
        .map((check) => check.name)
        .join(", ")}`,
    );
    return 2;
  }
  mkdirSync(logDir, { recursive: true });
  const startedMs = performance.now();
  const outcomes: Outcome[] = [];
  for (const check of checks) {
    const leftMs = Math.max(1_000, TOTAL_MS_MAX - (performance.now() - startedMs));
    outcomes.push(await perform({ ...check, limitMs: Math.min(check.limitMs, leftMs) }));
  }
  return report(outcomes, performance.now() - startedMs);
}

function allChecks(): Check[] {
  const biome = join(repositoryDir, "node_modules/.bin/biome");
  return [
    check("install", 5, [bun, "install", "--frozen-lockfile"]),
    check("format", 1, [bun, "fmt", "--check"]),
    check("lint", 2, [bun, biome, "lint", "."]),
    check("types", 3, [bun, "check"]),
    ...tests("architecture", 1, ["test/architecture.test.ts"]),
    ...testGroups.flatMap(([name, minutes]) => tests(name, minutes, testFiles(`test/${name}/**/*.test.ts`))),
    ...tests("other", 3, otherTests()),
    ...benches(),
  ];
}

function check(name: string, limitMinutes: number, command: readonly string[]): Check {
  return { kind: "check", name, command, limitMs: limitMinutes * MINUTE_MS };
}

/** A group of test files; nothing at all when it has none. */
function tests(name: string, limitMinutes: number, files: readonly string[]): Check[] {
  if (!files.some((file) => existsSync(join(repositoryDir, file)))) return [];
  const options = ["--conditions=development", "--only-failures", `--timeout=${TEST_MS_MAX}`];
  const command = [bun, "test", ...options, ...files.map((file) => `./${file}`)];
  return [{ kind: "tests", name, command, limitMs: limitMinutes * MINUTE_MS }];
}

/** Tests that lie in none of the known folders: they must not go unrun. */
function otherTests(): string[] {
  const known = testGroups.map(([name]) => `test/${name}/`);
  return testFiles("{src,test,scripts}/**/*.test.ts").filter(
    (file) => file !== "test/architecture.test.ts" && !known.some((folder) => file.startsWith(folder)),
  );
}

function benches(): Check[] {
  return benchNames().map((name) =>
    check(`bench/${name}`, 3, [bun, join(benchDir, `${name}.ts`), "--small"]),
  );
}

function testFiles(pattern: string): string[] {
  return [...new Bun.Glob(pattern).scanSync({ cwd: repositoryDir })].sort();
}

async function perform(check: Check): Promise<Outcome> {
  const logPath = join(logDir, `${check.name.replaceAll("/", "-")}.log`);
  const end = await runStep(check, { cwd: repositoryDir, logPath });
  const counts = judge(check, end);
  const note = noteOf(check, end);
  const isGood = counts.failed === 0;
  const took = `${(end.tookMs / 1000).toFixed(1)} s`;
  console.log(`${isGood ? "ok  " : "FAIL"}  ${check.name}  ${took}${note === "" ? "" : `  ${note}`}`);
  const failures = isGood || check.kind === "check" ? [] : describeFailures(failedTests(end.output));
  if (!isGood) {
    // What failed comes first: whoever reads a shortened log wants nothing else.
    const tail = end.output.trimEnd().split("\n").slice(-300);
    for (const line of [...failures, "", ...tail, `(all of it: ${logPath})`]) console.log(`      ${line}`);
  }
  return { name: check.name, counts, tookMs: end.tookMs, note, failures };
}

function judge(check: Check, end: StepEnd): Counts {
  const isClean = end.exitCode === 0 && !end.isTimedOut;
  if (check.kind === "check") return { passed: isClean ? 1 : 0, failed: isClean ? 0 : 1, skipped: 0 };
  const counts = countTests(end.output);
  if (counts === null) return { passed: 0, failed: 1, skipped: 0 };
  // An exit status without a failed test is a failure too: a crash at the end, an error outside of any test.
  return isClean || counts.failed > 0 ? counts : { ...counts, failed: 1 };
}

function noteOf(check: Check, end: StepEnd): string {
  if (end.isTimedOut) return `ended after ${(check.limitMs / 1000).toFixed(0)} s: it hung`;
  if (end.signal !== null) return `crashed with ${end.signal}`;
  return end.exitCode === 0 ? "" : `exit status ${end.exitCode}`;
}

function report(outcomes: readonly Outcome[], tookMs: number): number {
  const width = Math.max(...outcomes.map((outcome) => outcome.name.length));
  const row = (name: string, counts: Counts, ms: number, note: string) => {
    const numbers = [counts.passed, counts.failed, counts.skipped].map((count) => String(count).padStart(7));
    return `${name.padEnd(width)} ${numbers.join(" ")} ${`${(ms / 1000).toFixed(1)} s`.padStart(9)}  ${note}`.trimEnd();
  };
  const total = (key: keyof Counts) => outcomes.reduce((sum, outcome) => sum + outcome.counts[key], 0);
  const counts: Counts = { passed: total("passed"), failed: total("failed"), skipped: total("skipped") };
  console.log("");
  console.log(`${"".padEnd(width)}  passed  failed skipped      time`);
  for (const outcome of outcomes) {
    console.log(row(outcome.name, outcome.counts, outcome.tookMs, outcome.note));
  }
  console.log(row("all", counts, tookMs, ""));
  console.log("");
  for (const line of outcomes.flatMap(({ failures }) => failures)) console.log(line);
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  console.log(`${counts.passed} passed, ${counts.failed} failed${skipped}`);
  return counts.failed === 0 ? 0 : 1;
}
