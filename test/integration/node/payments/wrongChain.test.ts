import { expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { startDevChain } from "../../../support/chain/devChain.ts";
import { eventually, openNode, temporaryDir } from "../../../support/nodeFixture.ts";
import { giveKey, openMoneyWorld, openOnchainNode } from "../../../support/onchainNode.ts";

/*
 * Goal: a data folder is never used with another chain than its own: the funds and rounds of one say nothing about
 * the other, and the tickets of its gateways would be worthless. Method: two real chains, one folder.
 */

test("a node that is started against another chain stops, in the words that operators know", async () => {
  const dataDir = temporaryDir();
  {
    await using world = await openMoneyWorld();
    await using _node = await openOnchainNode(world, { dataDir });
  }
  await using other = await startDevChain({ chainId: 4_321 });
  giveKey(dataDir);
  await using node = await openNode({
    dataDir,
    flags: [
      ...["-network", "devnet", "-ethUrl", other.rpc.url, "-ethController", other.controller],
      ...["-ethPassword", "secret", "-pricePerUnit", "1200"],
    ],
  });
  const [error] = await eventually("the node gives up", () => (node.fatal.length > 0 ? node.fatal : null));
  expect(String(error)).toContain(
    "expecting chainID of 54321, but got 4321. Did you change networks without changing network name or datadir?",
  );
  expect(node.running.money?.chain.clock()?.lastInitializedRound).toBe(1n);
  rmSync(dataDir, { recursive: true, force: true });
});
