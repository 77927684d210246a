import { expect, setDefaultTimeout, test } from "bun:test";
import { JsonRpc } from "../../../src/chain/jsonRpc.ts";
import { readLens } from "../../../src/chain/lens.ts";
import { readPool } from "../../../src/chain/lensPool.ts";
import { poolHint } from "../../../src/chain/poolHints.ts";
import { outcomeOf } from "../../../src/chain/reads.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { type DevChain, startDevChain } from "../../support/chain/devChain.ts";

/*
 * Goal: what the lens foresees is what the contracts do then. Method: orchestrators on a development chain call for
 * their rewards, round by round.
 */

// Whoever comes first compiles the contracts, which takes seconds on a busy machine.
setDefaultTimeout(120_000);

const orchestrator: Hex = `0x${"0a".repeat(20)}`;

async function lensOf(chain: DevChain) {
  const read = readLens({ controller: chain.controller, recipient: orchestrator, accounts: [] });
  const outcome = outcomeOf(read, (await new JsonRpc({ url: chain.anvil.url }).batch([read.call]))[0]);
  if (outcome.type === "failed") throw new Error(outcome.text);
  return outcome.value;
}

async function poolOf(chain: DevChain) {
  const pool = await readPool(new JsonRpc({ url: chain.anvil.url }), chain.bondingManager);
  if (pool === null) throw new Error("The pool cannot be read.");
  return pool;
}

test("the forecast is the reward, to the wei, and the hint is where the orchestrator stands then", async () => {
  await using chain = await startDevChain();
  await chain.addOrchestrators(3);
  await chain.register(orchestrator, 1_000n * 10n ** 18n);
  let brought = 0;
  for (let round = 0; round < 3; round += 1) {
    await chain.nextRound();
    const view = await lensOf(chain);
    const forecast = view.amount("rewardForecast");
    expect(view.amount("stake")).toBe(
      (await poolOf(chain)).find(({ account }) => account === orchestrator)?.stake ?? 0n,
    );
    const hint = poolHint(await poolOf(chain), orchestrator, view.amount("stake") + forecast, 100);
    await chain.write("BondingManager", "rewardWithHint", [hint.previous, hint.next], { from: orchestrator });
    const rewards = await chain.rewardsOf(orchestrator);
    expect(rewards.length).toBe(round + 1);
    expect(rewards.at(-1)).toBe(forecast);
    if (forecast > 0n) brought += 1;
    const order = (await poolOf(chain)).map(({ account }) => account);
    const place = order.indexOf(orchestrator);
    const nobody: Hex = `0x${"00".repeat(20)}`;
    expect([order[place - 1] ?? nobody, order[place + 1] ?? nobody]).toEqual([hint.previous, hint.next]);
    expect((await lensOf(chain)).number("lastRewardRound")).toBe(view.number("currentRound"));
  }
  expect(brought).toBeGreaterThan(0);
});
