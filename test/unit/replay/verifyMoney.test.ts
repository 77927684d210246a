import { expect, test } from "bun:test";
import { accountKind } from "../../../src/actors/account/decide.ts";
import { segmentKind } from "../../../src/actors/segment/decide.ts";
import { ticketKind } from "../../../src/actors/ticket/decide.ts";
import { openHost } from "../../support/hostHarness.ts";
import { walkEffects } from "../../support/hostWalks.ts";
import { logFolder } from "../../support/logFolder.ts";
import { acceptSegment } from "../actors/facts.ts";
import { acceptPayment, reserveJob, sender, winTicket } from "../actors/moneyFacts.ts";
import { replayJson } from "./replayHarness.ts";

/*
 * Goal: money that is spoken for by a job which no longer runs is found; money in use is not mistaken for it. Method:
 * two accounts, each with an open job; only one of the jobs is a segment that is open.
 */
test("an account whose job is gone is stuck; one whose segment runs, and an open winner, are not", async () => {
  using folder = logFolder();
  const harness = await openHost({
    dataDir: folder.path,
    kinds: [accountKind, segmentKind, ticketKind],
    effects: {
      forgetAccount: { when: "volatile", run: () => {} },
      ...walkEffects(() => {
        throw new Error("Nothing here reports to a session.");
      }),
    },
  });
  const { host, clock } = harness;
  const origin = { correlationId: "5e55.1", causationId: "test" };
  const deadlines = { uploadDeadlineMs: clock.ms + 8_000, deadlineMs: clock.ms + 16_000 };
  host.execute("segment", "5e55.1/1", { ...acceptSegment, ...deadlines }, origin);
  host.execute("ticket", `0x${"01".repeat(32)}`, winTicket, origin);
  for (const [account, job] of [
    ["5e55.1", "5e55.1/1"],
    ["gone.1", "gone.1/1"],
  ] as const) {
    host.execute("account", `${sender}/${account}`, acceptPayment(2), origin);
    expect(host.execute("account", `${sender}/${account}`, reserveJob(job), origin).type).toBe("accepted");
  }
  await harness.close();
  const { code, rows } = await replayJson<{ readonly findings: readonly unknown[] }>(
    "verify",
    "--dataDir",
    folder.path,
  );
  expect(code).toBe(1);
  expect(rows[0]?.findings).toEqual([
    {
      stream: `account:${sender}/gone.1`,
      problem: expect.stringContaining("neither a deadline nor an effect"),
    },
  ]);
});
