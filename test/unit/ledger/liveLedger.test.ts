import { expect, test } from "bun:test";
import { accountIdleMs, balanceOf } from "../../../src/actors/account/decide.ts";
import { accountKind } from "../../../src/actors/account/decide.ts";
import { chainKind } from "../../../src/actors/chain/decide.ts";
import { ticketKind } from "../../../src/actors/ticket/decide.ts";
import { allViews } from "../../../src/events/log/openLog.ts";
import { formatRational, rational } from "../../../src/protocol/rational.ts";
import { openHost, StandingClock } from "../../support/hostHarness.ts";
import { logFolder } from "../../support/logFolder.ts";
import {
  gateways,
  ledger,
  MoneyWriter,
  payment,
  round,
  rowsOf,
  startMs,
  tickets,
  wonTicket,
} from "./moneyFolder.ts";

/*
 * Goal: the ledger fits the entities that a node really runs, while it runs. Method: a host with the kinds of money
 * takes commands; after each of them the commands of an operator look at its log from outside.
 */
test("a running node's accounts and tickets are in the ledger as soon as they are durable", async () => {
  using folder = logFolder();
  const dataDir = folder.path;
  // The views are a starting node's business: they are there before the first event.
  await (await MoneyWriter.open(dataDir)).close();
  const clock = new StandingClock(startMs);
  const harness = await openHost({
    ...{ dataDir, clock, kinds: [accountKind, ticketKind, chainKind], views: allViews.views },
    effects: { forgetAccount: { when: "volatile", run: () => {} } },
  });
  const { host } = harness;
  const id = `${gateways[0]}/manifest`;
  const origin = { correlationId: id, causationId: "test" };
  const execute = (kind: string, entity: string, command: { readonly type: string }): void => {
    expect(host.execute(kind, entity, command, origin).type).toBe("accepted");
  };
  const { type: _type, ...facts } = round(3700n, 21_000_000n);
  execute("chain", "own", { type: "ObserveRound", ...facts } as { type: string });
  const { hash, won } = wonTicket();
  execute("ticket", hash, { ...won, type: "WinTicket" } as { type: string });
  const { idleDeadlineMs: _idle, ...paid } = payment({ winners: [hash], credit: rational(10n ** 12n, 3n) });
  execute("account", id, { ...paid, type: "AcceptPayment" } as { type: string });
  for (const jobId of ["s/0", "s/1"]) {
    execute("account", id, { type: "ReserveJob", jobId, units: 1_000n, ticketEv: 1n } as { type: string });
  }
  execute("account", id, { type: "DebitJob", jobId: "s/0", units: 700n } as { type: string });
  await host.committed();

  const snapshot = host.snapshot("account", id);
  if (snapshot === null) throw new Error("The account is not open.");
  const balance = formatRational(balanceOf(snapshot as never));
  const [line] = await rowsOf(ledger("--dataDir", dataDir, "--by", "account", "--json"));
  expect(line).toMatchObject({
    ...{ key: id, priceMin: "1200", units: "700", debited: "840000", winners: 1, jobs: 1, tickets: 1 },
    ...{ credited: "1000000000000/3", winnersFaceValue: String(10n ** 16n), balance },
  });
  const jobs = await rowsOf<{ job: string; outcome: string }>(
    ledger("--dataDir", dataDir, "--by", "job", "--json"),
  );
  expect(jobs.map(({ job, outcome }) => [job, outcome])).toEqual([
    ["s/0", "debited"],
    ["s/1", "open"],
  ]);
  const { lines } = await tickets("list", "--dataDir", dataDir);
  expect(lines.at(-2)).toBe(`At risk: ${won.faceValue} wei (0.1 ETH).`);

  execute("account", id, { type: "ReleaseJob", jobId: "s/1" } as { type: string });
  execute("ticket", hash, { type: "RedeemTicket", txHash: null, round: 3701n } as { type: string });
  clock.ms += accountIdleMs;
  execute("account", id, { type: "ExpireAccount", dueMs: startMs + accountIdleMs } as { type: string });
  await host.committed();
  const [end] = await rowsOf(ledger("--dataDir", dataDir, "--json"));
  expect(end).toMatchObject({ forfeited: balance, balance: "0", released: 1 });
  expect((await ledger("--dataDir", dataDir, "--check")).lines.at(-1)).toBe("The ledger equals its events.");
  expect((await tickets("list", "--dataDir", dataDir)).lines).toEqual(["No winning ticket is open."]);
  expect(harness.faults).toEqual([]);
  await harness.close();
});
