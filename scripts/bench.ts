import { join } from "node:path";
import { benchDir, benchNames } from "./verify/benchNames.ts";

/*
 * Runs measurements, one after the other, each in a process of its own.
 *
 *   bun run bench                    all of bench/, full size
 *   bun run bench log segment        the named ones
 *   bun run bench --small            in the size that CI runs
 *
 * Every other flag is handed to the benches.
 */

/** Runs the benches named in `args`, or all. Returns 1 when one of them fails. */
export async function main(args: readonly string[]): Promise<number> {
  const flags = args.filter((arg) => arg.startsWith("-"));
  const wanted = args.filter((arg) => !arg.startsWith("-"));
  const known = benchNames();
  const unknown = wanted.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`No such bench: ${unknown.join(", ")}. Known: ${known.join(", ")}.`);
    return 2;
  }
  let status = 0;
  for (const name of wanted.length > 0 ? wanted : known) {
    console.log(`\n== bench/${name}.ts ${flags.join(" ")}`.trimEnd());
    const child = Bun.spawn([process.execPath, join(benchDir, `${name}.ts`), ...flags], {
      stdio: ["ignore", "inherit", "inherit"],
    });
    if ((await child.exited) !== 0) status = 1;
  }
  return status;
}
