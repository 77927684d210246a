import type { DevChain } from "../../test/support/chain/devChain.ts";
import type { RpcCounts } from "../../test/support/chain/rpcProxy.ts";
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
 * A node at its defaults on a chain whose L1 blocks come every 12 s and whose transactions are mined at once, as on
 * Arbitrum: how often it asks, and how soon it acts. The endpoint answers after 100 ms, and the pool holds 62.
 */

/** go-livepeer's figures. Source: chain sheet 11.5. */
const peer = {
  startRequests: "22 to 24",
  newSenderRequests: 2,
  idleRequestsAMinute: 36,
  roundChangeCalls: 450,
  rewardS: 41,
  /** Requests for each redemption, one after the other. */
  redemptionRequests: 9,
  redemptionS: "35 to 39 after the win, 1.0 to 1.8 for each further",
} as const;

const latencyMs = 100;
const poolSize = 62;
const roundLength = 60n;
const winners = 20;
// Small: the same with faster blocks and polls, and no rest to speak of.
const blockMs = isSmall ? 2_000 : 12_000;
const flags = isSmall ? ["-blockPollingInterval", "2"] : [];
const idleMs = isSmall ? 10_000 : 240_000;
const rounds = isSmall ? 1 : 3;

/** @returns requests of each kind, and seconds to reward and redemption */
export async function rhythm(): Promise<readonly Figure[]> {
  await using bench = await openBenchChain({ pool: poolSize, roundLength });
  const { chain } = bench;
  chain.rpc.latencyMs = latencyMs;
  const dataDir = bench.dataDir();
  const lines: Figure[] = [];
  for (const which of ["first", "second"]) {
    chain.rpc.resetCounts();
    const node = await bench.start(dataDir, [...flags, "-reward=false"]);
    await quiet(chain);
    lines.push([
      `requests of a start, ${which} (go-livepeer ${peer.startRequests})`,
      shown(chain.rpc.counts),
    ]);
    await node.stop();
  }
  const stop = bench.pump(blockMs);
  const node = await bench.start(dataDir, flags);
  // The reward of this round is called at once; the next rounds are measured.
  await chainQuiet(bench);

  const gateway = await bench.gateway(node.serviceUri);
  chain.rpc.resetCounts();
  await openSession(gateway);
  const forSender = chain.rpc.counts;
  lines.push([`requests for a new sender (go-livepeer ${peer.newSenderRequests})`, shown(forSender)]);

  lines.push(await idle(chain));
  stop();
  for (let round = 0; round < rounds; round += 1) lines.push(...(await roundChange(bench)));
  await openSession(gateway);
  lines.push(...(await redemption(bench, await win(gateway, winners))));
  return lines;
}

async function idle(chain: DevChain): Promise<Figure> {
  chain.rpc.resetCounts();
  await Bun.sleep(idleMs);
  const { requests, calls } = chain.rpc.counts;
  const minutes = idleMs / 60_000;
  const each = `${(requests / minutes).toFixed(1)} HTTP, ${(calls / minutes).toFixed(1)} calls`;
  const what = isSmall ? "a minute, by a poll of 2 s" : "an idle minute (wanted ≤ 7;";
  return [`requests of ${what}${isSmall ? "" : ` go-livepeer ${peer.idleRequestsAMinute})`}`, each];
}

/** From four blocks before the boundary on; somebody starts the round as soon as that can be done. */
async function roundChange({ chain, account, pump, when }: BenchChain): Promise<readonly Figure[]> {
  const next = (await chain.blockNumber()) / roundLength + 1n;
  const boundary = next * roundLength;
  const left = boundary - (await chain.blockNumber());
  await chain.mine(left - 4n);
  const stop = pump(blockMs);
  try {
    await when("the round is over", async () => (await chain.blockNumber()) >= boundary);
    await chain.initializeRound();
    const startedMs = performance.now();
    chain.rpc.resetCounts();
    const rewards = (await chain.rewardsOf(account)).length;
    const minedMs = await when(
      "the reward is mined",
      async () => (await chain.rewardsOf(account)).length > rewards,
    );
    const toReward = chain.rpc.counts;
    await Bun.sleep(Math.max(0, (isSmall ? 10_000 : 60_000) - (performance.now() - startedMs)));
    const whole = chain.rpc.counts;
    return [
      [
        `reward mined after the start of round ${next}`,
        `${seconds(minedMs - startedMs)} (wanted < 10; go-livepeer ${peer.rewardS})`,
      ],
      [
        `  requests to there, pool of ${poolSize} (wanted ≤ 20)`,
        `${shown(toReward)} (go-livepeer ${peer.roundChangeCalls} calls)`,
      ],
      [`  requests of the ${isSmall ? "10 s" : "minute"} from the start on (go-livepeer 78)`, shown(whole)],
    ];
  } finally {
    stop();
  }
}

/** From three blocks before they may be redeemed. */
async function redemption({ chain, pump, when }: BenchChain, dueBlock: bigint): Promise<readonly Figure[]> {
  const left = dueBlock - (await chain.blockNumber());
  if (left > 3n) await chain.mine(left - 3n);
  const stop = pump(blockMs);
  try {
    const fromBlock = await chain.blockNumber();
    const dueMs = await when("they are due", async () => (await chain.blockNumber()) >= dueBlock);
    chain.rpc.resetCounts();
    const doneMs = await when(
      "all are redeemed",
      async () => (await redeemedSince(chain, fromBlock)) >= winners,
    );
    const { counts } = chain.rpc;
    return [
      [
        `${winners} winners redeemed after they may be`,
        `${seconds(doneMs - dueMs)} (wanted ≤ 10; go-livepeer ${peer.redemptionS})`,
      ],
      [`  requests to there (go-livepeer ${peer.redemptionRequests * winners})`, shown(counts)],
    ];
  } finally {
    stop();
  }
}

/** Resolves when the node has not asked for two seconds. */
async function quiet(chain: DevChain): Promise<void> {
  await Bun.sleep(500);
  for (let before = -1; before !== chain.rpc.counts.requests; await Bun.sleep(1_500)) {
    before = chain.rpc.counts.requests;
    if (isSmall) return void (await Bun.sleep(1_000));
  }
}

/** Resolves when the reward of the running round is mined and its confirmations are over. */
async function chainQuiet({ chain, account, when }: BenchChain): Promise<void> {
  await when("a first reward is mined", async () => (await chain.rewardsOf(account)).length > 0);
  await chain.mine(3);
  await Bun.sleep(isSmall ? 3_000 : 40_000);
}

function shown({ requests, calls }: RpcCounts): string {
  return `${requests} HTTP, ${calls} calls`;
}
