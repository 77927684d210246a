import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { logFileName } from "../../../../src/events/log/open.ts";
import { openLog } from "../../../../src/events/log/openLog.ts";

test("only its owner may read the log and what SQLite puts beside it, also a log of an earlier release", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "reprise-open-"));
  const mode = (name: string): number => statSync(join(dataDir, name)).mode & 0o777;
  const first = await openLog(dataDir, { onHalted: () => {} });
  expect([logFileName, `${logFileName}-wal`].map(mode)).toEqual([0o600, 0o600]);
  await first.close();
  chmodSync(join(dataDir, logFileName), 0o644);
  const second = await openLog(dataDir, { onHalted: () => {} });
  expect(mode(logFileName)).toBe(0o600);
  await second.close();
  rmSync(dataDir, { recursive: true });
});
