import { expect, setDefaultTimeout, test } from "bun:test";
import { accountOfPrivateKey } from "../../../src/native/ffi.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import type { OfficeWorldOptions } from "../../support/chain/officeLife.ts";
import { oneEther, type OfficeWorld, openOfficeWorld } from "../../support/chain/officeWorld.ts";

/*
 * Goal: a redeemer's key that is taken out of the configuration costs no ticket, and no ticket is paid twice. Method: a
 * real chain with the broker; a redemption that no block takes, then a life with another key on the same log.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(60_000);

const orchestratorKey = new Uint8Array(32).fill(0x61);
const [oldKey, newKey] = [new Uint8Array(32).fill(0x62), new Uint8Array(32).fill(0x63)];
const accountOf = (key: Uint8Array): Hex => toHex(accountOfPrivateKey(key));

/** A ticket in the old redeemer's transaction, which only our log still knows; the next life has the new key. */
async function changed(): Promise<{ readonly world: OfficeWorld; readonly ticket: Hex; readonly raw: Hex }> {
  const options: { -readonly [Name in keyof OfficeWorldOptions]: OfficeWorldOptions[Name] } = {
    ...{ key: oldKey, orchestrator: accountOf(orchestratorKey), config: { reward: "off" } },
    prepare: async (chain) => {
      await chain.setActive(accountOfPrivateKey(orchestratorKey), true);
      await chain.setRound(3n);
    },
  };
  const world = await openOfficeWorld(options);
  const [ticket = "0x"] = await world.win(await world.gateway());
  await world.tick();
  await world.tick();
  expect(world.states([ticket])).toEqual(["submitted"]);
  const signed = world
    .events(world.planned()[0]?.stream ?? "")
    .find(({ type }) => type === "TransactionSigned");
  await world.close();
  options.key = newKey;
  Object.assign(world, { us: accountOf(newKey) });
  await world.chain.anvil.rpc("anvil_setBalance", world.us, `0x${oneEther.toString(16)}`);
  await world.open();
  return { world, ticket, raw: signed?.["raw"] as Hex };
}

const forget = ({ chain }: OfficeWorld) => chain.anvil.rpc("anvil_dropAllTransactions");
const paid = (world: OfficeWorld, ticket: Hex) =>
  world.history(`ticket:${ticket}`).filter((type) => type === "TicketPaid").length;

test("the old redeemer's transaction is broadcast from the log, and mined without its key", async () => {
  const { world, ticket } = await changed();
  await using _ = world;
  await forget(world);
  await world.tick();
  expect(await world.pool()).toHaveLength(1);
  await world.until("redeemed", ticket);
  expect(world.planned()).toHaveLength(1);
  await world.audit();
});

test("one that no block takes: after five minutes the new redeemer sends the ticket; the late one costs its gas only", async () => {
  const { world, ticket, raw } = await changed();
  await using _ = world;
  for (let looks = 0; looks < 70 && world.planned().length === 1; looks += 1) {
    await forget(world);
    await world.tick();
  }
  expect(world.planned()).toHaveLength(2);
  expect(world.history(`ticket:${ticket}`)).toEqual([
    ...["TicketWon", "RedemptionSubmitted", "RedemptionReturned", "RedemptionSubmitted"],
  ]);
  await world.until("redeemed", ticket);
  await world.chain.anvil.rpc("eth_sendRawTransaction", raw);
  await world.chain.mine(1);
  for (let looks = 0; looks < 150; looks += 1) await world.tick();
  expect(world.history(world.planned()[0]?.stream ?? "").at(-1)).toBe("TransactionMined");
  expect(paid(world, ticket)).toBe(1);
  await world.audit();
});

test("both are mined, the old one first: it pays the ticket, the new one nothing", async () => {
  const { world, ticket, raw } = await changed();
  await using _ = world;
  for (let looks = 0; looks < 70 && world.planned().length === 1; looks += 1) {
    await forget(world);
    await world.tick();
  }
  await forget(world);
  await world.chain.anvil.rpc("eth_sendRawTransaction", raw);
  await world.chain.mine(1);
  await world.until("redeemed", ticket);
  expect(paid(world, ticket)).toBe(1);
  await world.audit();
});

test("something else has used its nonce up: the new redeemer sends the ticket", async () => {
  const { world, ticket } = await changed();
  await using _ = world;
  await forget(world);
  const { anvil } = world.chain;
  const from = accountOf(oldKey);
  await anvil.rpc("anvil_impersonateAccount", from);
  await anvil.rpc("eth_sendTransaction", {
    from,
    to: from,
    gas: "0x5208",
    nonce: "0x0",
    maxFeePerGas: "0xe8d4a51000",
  });
  await world.chain.mine(1);
  await world.until("redeemed", ticket);
  expect(world.history(world.planned()[0]?.stream ?? "").at(-1)).toBe("TransactionDisplaced");
  await world.audit();
});
