import { expect, setDefaultTimeout, test } from "bun:test";
import { checksumHex } from "../../../src/protocol/account.ts";
import { fromHex } from "../../../src/protocol/bytes.ts";
import { oneEther, openOfficeWorld } from "../../support/chain/officeWorld.ts";
import { logFolder } from "../../support/logFolder.ts";
import { queueRow, writeLpdb } from "../../unit/ledger/lpdbFile.ts";
import { rowsOf, tickets } from "../../unit/ledger/moneyFolder.ts";

/*
 * Goal: what another node has won before is not lost with it. Method: a database as go-livepeer leaves it, imported by
 * the command into the folder of a stopped node, which then redeems it on a development chain.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

test("payments check 45: pending rows of an lpdb are redeemed, once; accounts with checksums are matched", async () => {
  await using world = await openOfficeWorld();
  using folder = logFolder();
  const gateway = await world.gateway();
  const made = await Promise.all([1, 2, 3, 4].map(() => world.ticketOf(gateway)));
  // Its expiry lies behind it, one was redeemed by the old node, one is known here already.
  const [pending, second, redeemed, known] = made;
  if (pending === undefined || second === undefined || redeemed === undefined || known === undefined)
    throw new Error("There are four.");
  const { signed } = redeemed;
  await world.chain.redeem(signed.ticket, signed.signature, signed.recipientRand);
  world.record(known.hash, known.won);
  await world.close();
  const rows = made.map(({ won }) => queueRow({ ...won, type: "TicketWon" }));
  const [first] = rows;
  const checksummed = checksumHex(fromHex(gateway.hex) ?? new Uint8Array());
  expect(first?.sender).toBe(checksummed);
  expect(checksummed).not.toBe(gateway.hex);
  const redeemedRow = {
    ...rows[2],
    redeemedAt: "2026-01-01 00:00:09",
    txHash: `0x${"99".repeat(32)}`,
  } as (typeof rows)[number];
  const { path, db } = writeLpdb(folder.path, [...rows.slice(0, 2), redeemedRow, ...rows.slice(3)], {
    chainId: Number(world.chain.chainId),
  });
  db.close();
  const lines = await rowsOf(tickets("import", "--dataDir", world.dataDir, path, "--json"));
  expect(lines.at(-1)).toMatchObject({ imported: 2, redeemed: 1, skipped: 1, refused: 0 });
  await world.open();
  expect(world.life.solvency.totals()).toEqual({ count: 3, outstanding: (3n * oneEther) / 10n });
  await world.until("redeemed", pending.hash, second.hash, known.hash);
  expect(world.planned().map((each) => [...each.tickets].sort())).toEqual([
    [pending.hash, second.hash, known.hash].sort(),
  ]);
  expect(await world.chain.logs("TicketBroker", "WinningTicketRedeemed")).toHaveLength(4);
  await world.audit(oneEther / 10n);
});

test("exported lines of another folder of ours are redeemed here", async () => {
  await using world = await openOfficeWorld();
  using folder = logFolder();
  const won = await world.win(await world.gateway(), 3);
  await world.tick(0);
  await world.close();
  const path = `${folder.path}/tickets.jsonl`;
  await tickets("export", "--dataDir", world.dataDir, "--out", path, "--all");
  world.moveToNewFolder();
  const lines = await rowsOf(tickets("import", "--dataDir", world.dataDir, path, "--json"));
  expect(lines.at(-1)).toMatchObject({ imported: 3, refused: 0 });
  await world.open();
  await world.until("redeemed", ...won);
  expect(world.planned()).toHaveLength(1);
  await world.audit();
});
