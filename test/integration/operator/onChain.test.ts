import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { contractIdOf } from "../../../src/chain/contractView.ts";
import { toHex } from "../../../src/protocol/bytes.ts";
import {
  freshKey,
  type MoneyWorld,
  type OnchainNode,
  openMoneyWorld,
  openOnchainNode,
} from "../../support/onchainNode.ts";

import { writeKeystore } from "../../support/keystores.ts";
import { temporaryDir } from "../../support/nodeFixture.ts";
import { accountOfPrivateKey } from "../../support/signatures.ts";

/*
 * Goal: an operator who knows nothing but go-livepeer's port can run an orchestrator: look at it, stake, change it, take
 * money out. Method: a whole node on a chain with contracts of ours; every answer is compared with what the contracts
 * themselves say.
 */

setDefaultTimeout(60_000);

const lpt = 10n ** 18n;
/** Nobody's so far: it shall become an orchestrator as everybody does. */
const key = freshKey();
const account = toHex(accountOfPrivateKey(key));
const dataDir = temporaryDir();
let world: MoneyWorld;
let node: OnchainNode;

beforeAll(async () => {
  world = await openMoneyWorld();
  const { chain } = world;
  await chain.forgetPoolSize();
  await chain.giveTokens(account, 1_000n * lpt);
  await chain.giveEther(account, 10n ** 18n);
  writeKeystore(join(dataDir, "keystore"), key, "secret");
  node = await openOnchainNode(world, { dataDir, flags: ["-reward=false"] });
});
afterAll(async () => {
  await node[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
  rmSync(dataDir, { recursive: true, force: true });
});

const ask = (path: string, form: Readonly<Record<string, string>> = {}) => node.operator(path, form);
const textOf = async (path: string): Promise<string> => (await ask(path)).text;
const good = { status: 200, text: "" };

/** A number in the JSON of an answer, exact. */
function numberIn(json: string, name: string): bigint {
  return BigInt(new RegExp(`"${name}":(-?\\d+)`).exec(json)?.[1] ?? "-1");
}

test("an orchestrator's life by nothing but this port", async () => {
  await readsAgree();
  await registers();
  await moveStake();
  await changeConfig();
  await transferAndBounds();
  await reward();
});

/** What the port shows is what the contracts say. */
async function readsAgree(): Promise<void> {
  const { chain } = world;
  expect(await textOf("/currentRound")).toBe(String(await chain.read("RoundsManager", "currentRound", [])));
  expect(await textOf("/roundInitialized")).toBe("true");
  expect(await textOf("/tokenBalance")).toBe(
    String(await chain.read("LivepeerToken", "balanceOf", [account])),
  );
  const addresses = JSON.parse(await textOf("/contractAddresses")) as Readonly<Record<string, string>>;
  expect(Object.keys(addresses).length).toBe(7);
  expect(addresses["TicketBroker"]).toBe(chain.ticketBroker.toLowerCase());
  expect(addresses["LivepeerTokenFaucet"]).toBe(`0x${"0".repeat(40)}`);
  const protocol = await textOf("/protocolParameters");
  expect(numberIn(protocol, "RoundLength")).toBe(
    (await chain.read("RoundsManager", "roundLength", [])) as bigint,
  );
  expect(numberIn(protocol, "TotalSupply")).toBe(
    (await chain.read("Minter", "getGlobalTotalSupply", [])) as bigint,
  );
  expect(await textOf("/registeredOrchestrators")).toBe("null");
}

async function registers(): Promise<void> {
  const { chain } = world;
  const wanted = {
    ...{ blockRewardCut: "10", feeShare: "5.5", pricePerUnit: "1300", pixelsPerUnit: "1" },
    serviceURI: "https://orch.example.com:8935",
  };
  // The balance is too small: nothing at all is done.
  expect(await ask("/activateOrchestrator", { ...wanted, amount: String(2_000n * lpt) })).toEqual({
    status: 500,
    text: "execution reverted: ERC20: transfer amount exceeds balance\n",
  });
  expect(await chain.read("ServiceRegistry", "getServiceURI", [account])).toBe("");
  expect(await ask("/activateOrchestrator", { ...wanted, amount: String(100n * lpt) })).toEqual(good);
  const info = await textOf("/orchestratorInfo");
  expect([numberIn(info, "RewardCut"), numberIn(info, "FeeShare")]).toEqual([100_000n, 55_000n]);
  expect(info).toContain('"ServiceURI":"https://orch.example.com:8935"');
  expect(info).toContain('"Active":false,"Status":"Registered"');
  expect(info).toContain('"PriceInfo":"1300"');
  expect(await ask("/activateOrchestrator", wanted)).toEqual({
    status: 400,
    text: "orchestrator already registered\n",
  });
  await chain.nextRound();
  const pool = await textOf("/registeredOrchestrators");
  expect(pool).toContain(`"Address":"${account}"`);
  expect(pool).toContain('"Active":true');
  expect(numberIn(pool, "DelegatedStake")).toBe(100n * lpt);
}

/** Stake goes in and out again, step by step, and locks are listed until they are used. */
async function moveStake(): Promise<void> {
  const { chain } = world;
  expect(await ask("/bond", { amount: String(50n * lpt), toAddr: account })).toEqual(good);
  expect(numberIn(await textOf("/delegatorInfo"), "BondedAmount")).toBe(150n * lpt);
  expect(await textOf("/tokenBalance")).toBe(String(850n * lpt));
  expect(await ask("/unbond", { amount: String(30n * lpt) })).toEqual(good);
  expect(await ask("/unbond", { amount: String(20n * lpt) })).toEqual(good);
  expect(await ask("/unbond", { amount: String(10_000n * lpt) })).toEqual({
    status: 500,
    text: "execution reverted: amount is greater than bonded amount\n",
  });
  const locks = await textOf("/unbondingLocks");
  expect([...locks.matchAll(/"ID":(\d+)/g)].map(([, id]) => id)).toEqual(["0", "1"]);
  expect(locks).toContain(`"Delegator":"${account}"`);
  expect(await textOf("/unbondingLocks?withdrawable=true")).toBe("[]");
  expect(await ask("/withdrawStake", { unbondingLockId: "0" })).toEqual({
    status: 500,
    text: "execution reverted: withdraw round must be before or equal to the current round\n",
  });
  expect(await ask("/rebond", { unbondingLockId: "1" })).toEqual(good);
  await chain.setRound(numberIn(locks, "WithdrawRound"));
  expect(numberIn(await textOf("/unbondingLocks?withdrawable=true"), "ID")).toBe(0n);
  expect(await ask("/withdrawStake", { unbondingLockId: "0" })).toEqual(good);
  expect(await textOf("/unbondingLocks")).toBe("[]");
  expect(await textOf("/tokenBalance")).toBe(String(880n * lpt));
}

/** Cuts, address and price are changed together, and only where they differ. */
async function changeConfig(): Promise<void> {
  const { chain } = world;
  const wanted = { blockRewardCut: "0.57", feeShare: "50", serviceURI: "https://other.example.com:8935" };
  // An active orchestrator changes its cuts only after the reward.
  expect(
    await ask("/setOrchestratorConfig", { ...wanted, pricePerUnit: "1", pixelsPerUnit: "1" }),
  ).toMatchObject({
    status: 500,
  });
  expect(await textOf("/orchestratorInfo")).toContain('"PriceInfo":"1300"');
  expect(await ask("/reward")).toEqual(good);
  expect(await ask("/setOrchestratorConfig", { ...wanted, pricePerUnit: "1", pixelsPerUnit: "1" })).toEqual(
    good,
  );
  const info = await textOf("/orchestratorInfo");
  expect([numberIn(info, "RewardCut"), numberIn(info, "FeeShare")]).toEqual([5_700n, 500_000n]);
  expect(info).toContain('"ServiceURI":"https://other.example.com:8935"');
  expect(info).toContain('"PriceInfo":"1"');
  const block = await chain.blockNumber();
  expect(await ask("/setOrchestratorConfig", wanted)).toEqual(good);
  expect(await chain.blockNumber()).toBe(block);
  expect(await ask("/setOrchestratorConfig", { serviceURI: "https://0.0.0.0:8935" })).toEqual({
    status: 400,
    text: "service address must be a public IP address or hostname\n",
  });
}

/** LPT goes to whole addresses only, and nothing is sent above the highest gas price. */
async function transferAndBounds(): Promise<void> {
  const { chain } = world;
  const to = `0x${"ab".repeat(20)}` as const;
  expect(await ask("/transferTokens", { to, amount: "5" })).toEqual(good);
  expect((await ask("/transferTokens", { to: to.slice(0, -1), amount: "5" })).status).toBe(400);
  expect(await ask("/setMaxGasPrice", { amount: "1000000000" })).toEqual(good);
  await chain.setGasPrice(3_000_000_000n);
  expect(await ask("/transferTokens", { to, amount: "5" })).toEqual({
    status: 500,
    text: "current gas price exceeds maximum gas price max=1 GWei current=3 GWei\n",
  });
  expect(await chain.read("LivepeerToken", "balanceOf", [to])).toBe(5n);
  expect(await ask("/setMaxGasPrice", { amount: "0" })).toEqual(good);
}

/** Once a round; a second wish is no mistake. */
async function reward(): Promise<void> {
  const { chain } = world;
  await chain.nextRound();
  const before = await chain.rewardsOf(account);
  expect(await ask("/reward")).toEqual(good);
  expect(await ask("/reward")).toEqual(good);
  expect((await chain.rewardsOf(account)).length).toBe(before.length + 1);
  const earned = await textOf(`/orchestratorEarningPoolsForRound?round=${await textOf("/currentRound")}`);
  expect(numberIn(earned, "CumulativeRewardFactor")).toBeGreaterThan(10n ** 27n);
}

// Method: the chain of these tests has no faucet, as Arbitrum One has none.
test("chain check 2: without a faucet the node starts and works, and /requestTokens alone fails", async () => {
  const { chain } = world;
  expect(await chain.read("Controller", "getContract", [contractIdOf("LivepeerTokenFaucet")])).toBe(
    `0x${"0".repeat(40)}`,
  );
  const refused = await ask("/requestTokens");
  expect(refused.status).toBe(501);
  expect(refused.text).toContain("/requestTokens is not served");
  expect((await textOf("/ethAddr")).toLowerCase()).toBe(account);
  expect(await textOf("/currentRound")).toBe(String(await chain.read("RoundsManager", "currentRound", [])));
});

test("an endpoint that is gone is said in words without its URL", async () => {
  // They do not change, and are known once they were read.
  expect((await ask("/contractAddresses")).status).toBe(200);
  world.chain.rpc.fault = { type: "cut" };
  try {
    const { status, text } = await ask("/currentRound");
    expect(status).toBe(500);
    expect(text).toStartWith("could not query current round: ");
    expect(text).not.toContain(world.chain.rpc.url);
    expect(await ask("/orchestratorInfo")).toEqual({ status: 500, text: "could not get transcoder\n" });
    expect((await ask("/contractAddresses")).status).toBe(200);
    expect((await ask("/reward")).text).toStartWith("Error calling reward: The chain cannot be read");
  } finally {
    world.chain.rpc.fault = { type: "none" };
  }
});
