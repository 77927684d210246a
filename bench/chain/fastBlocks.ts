import { isSmall } from "../support.ts";
import {
  type BenchChain,
  type Figure,
  openBenchChain,
  openSession,
  redeemedSince,
  seconds,
  win,
} from "./benchChain.ts";

/*
 * Rewards and redemptions where blocks come faster than on mainnet and a transaction waits for the next one. A node
 * that polls every 12 s, as for L1 blocks, sees the round change late there; one that is told to poll as fast as the
 * blocks come does not.
 */

const latencyMs = 100;
const rounds = isSmall ? 1 : 4;
const batches = isSmall ? 1 : 3;
const winners = 20;

/** @returns seconds from the start of a round to the mined reward, by the default poll and 2-s blocks */
export async function defaultPoll(): Promise<readonly Figure[]> {
  await using bench = await openBenchChain({ pool: 62, roundLength: 24n });
  const { chain } = bench;
  chain.rpc.latencyMs = latencyMs;
  await bench.start(bench.dataDir());
  const times: string[] = [];
  await chain.interval(2);
  for (let round = 0; round < rounds; round += 1) times.push(seconds(await rewardMs(bench, 24n)));
  return [["reward at 2-s blocks by the 12-s poll (go-livepeer 41)", times.join(", ")]];
}

/** @returns the same by a poll of 1 s and 1-s blocks, and seconds to the redemption of 20 winners */
export async function fastPoll(): Promise<readonly Figure[]> {
  const roundLength = 200n;
  await using bench = await openBenchChain({ pool: 62, roundLength });
  const { chain, when } = bench;
  chain.rpc.latencyMs = latencyMs;
  const node = await bench.start(bench.dataDir(), ["-blockPollingInterval", "1"]);
  const gateway = await bench.gateway(node.serviceUri);
  await openSession(gateway);
  await chain.interval(1);
  const times: string[] = [];
  for (let batch = 0; batch < batches; batch += 1) {
    await openSession(gateway);
    const dueBlock = await win(gateway, winners);
    const left = dueBlock - (await chain.blockNumber());
    if (left > 10n) await chain.mine(left - 10n);
    const fromBlock = await chain.blockNumber();
    const dueMs = await when("they are due", async () => (await chain.blockNumber()) >= dueBlock);
    const isDone = async (): Promise<boolean> => (await redeemedSince(chain, fromBlock)) >= winners;
    times.push(seconds((await when("all are redeemed", isDone)) - dueMs));
  }
  const lines: Figure[] = [
    [`${winners} winners at 1-s blocks: due to mined receipt (wanted ≤ 10)`, times.join(", ")],
  ];
  const left = roundLength - ((await chain.blockNumber()) % roundLength);
  if (left > 20n) await chain.mine(left - 20n);
  lines.push(["reward at 1-s blocks and polls (wanted < 10)", seconds(await rewardMs(bench, roundLength))]);
  return lines;
}

/** From the start of the next round, by somebody else, to the mined reward. */
async function rewardMs({ chain, account, when }: BenchChain, roundLength: bigint): Promise<number> {
  const boundary = ((await chain.blockNumber()) / roundLength + 1n) * roundLength;
  await when("the round is over", async () => (await chain.blockNumber()) >= boundary);
  const rewards = (await chain.rewardsOf(account)).length;
  await chain.initializeRound();
  const startedMs = performance.now();
  return (
    (await when("the reward is mined", async () => (await chain.rewardsOf(account)).length > rewards)) -
    startedMs
  );
}
