import { recordedEvents } from "../../test/support/nodeLog.ts";
import { profileOf } from "../../test/support/nodeSegments.ts";
import type { PayingGateway } from "../../test/support/payingGateway.ts";
import { tinySegment } from "../nodeProcess.ts";
import { argument, isSmall } from "../support.ts";
import {
  type BenchChain,
  type Figure,
  openBenchChain,
  openSession,
  redeemedSince,
  seconds,
} from "./benchChain.ts";

/*
 * A gateway streams through an outage of the RPC endpoint. L1 blocks come every 12 s, as on mainnet: the gateway sees
 * them, and the node carries its number on by its clock.
 */

const outageS = Number(argument("outage") ?? (isSmall ? 6 : 120));
const segmentEveryMs = 1_000;
const calmMs = isSmall ? 2_000 : 10_000;
const blockMs = 12_000;

type Stream = {
  /** Segments sent, and those that were not transcoded, with the gateway's or the node's words. */
  readonly sent: () => number;
  readonly lost: readonly string[];
  readonly stop: () => Promise<void>;
};

/** One segment a second, until it is stopped. */
async function startStream(gateway: PayingGateway): Promise<Stream> {
  const media = await tinySegment();
  const lost: string[] = [];
  let sent = 0;
  let isOver = false;
  const run = async (): Promise<void> => {
    const startedMs = performance.now();
    while (!isOver) {
      const submission = {
        ...{ manifestId: "bench", seq: sent, media, durationMs: 1_000 },
        profiles: [profileOf()],
      };
      sent += 1;
      try {
        const { answer } = await gateway.sendSegment(submission);
        if (answer.type === "refused") lost.push(answer.text);
        else if (answer.result.result.case !== "data") lost.push(String(answer.result.result.value));
      } catch (error) {
        lost.push(error instanceof Error ? error.message : String(error));
      }
      await Bun.sleep(Math.max(0, startedMs + sent * segmentEveryMs - performance.now()));
    }
  };
  const running = run();
  return {
    ...{ sent: () => sent, lost },
    stop: async () => {
      isOver = true;
      await running;
    },
  };
}

/** @returns what was lost, and how long the backlog of winners took afterwards */
export async function outage(): Promise<readonly Figure[]> {
  await using bench = await openBenchChain({ roundLength: 1_000n });
  const { chain } = bench;
  // A segment costs about a ticket.
  const dataDir = bench.dataDir();
  const node = await bench.start(dataDir, ["-pricePerUnit", "36000"]);
  const gateway = await bench.gateway(node.serviceUri);
  const stopPump = bench.pump(blockMs);
  const firstBlock = await chain.blockNumber();
  await openSession(gateway);
  const stream = await startStream(gateway);
  await Bun.sleep(calmMs);
  chain.rpc.fault = { type: "cut" };
  chain.rpc.resetCounts();
  const before = stream.sent();
  await Bun.sleep(outageS * 1_000);
  const { requests } = chain.rpc.counts;
  const during = stream.sent() - before;
  chain.rpc.fault = { type: "none" };
  await Bun.sleep(calmMs);
  await stream.stop();
  stopPump();
  const caughtUp = await catchUp(bench, dataDir, firstBlock);
  return [
    [`RPC dead for ${outageS} s: segments sent in it`, String(during)],
    ["  lost in the whole stream (wanted 0; go-livepeer 12 of 40 in 60 s)", lostText(stream.lost)],
    ["  the gateway took new terms", `${gateway.refreshes} times`],
    ["  requests of the node in the outage", String(requests)],
    ...caughtUp,
  ];
}

/** Lets what is won become due at once, and waits until all of it is redeemed. */
async function catchUp(
  { chain, when }: BenchChain,
  dataDir: string,
  firstBlock: bigint,
): Promise<readonly Figure[]> {
  const won = recordedEvents(dataDir).filter(({ event }) => event.type === "TicketWon").length;
  const before = await redeemedSince(chain, firstBlock);
  const dueFrom = await chain.blockNumber();
  await chain.mine(60);
  const startedMs = performance.now();
  const isDone = async (): Promise<boolean> => (await redeemedSince(chain, firstBlock)) >= won;
  const doneMs = await when("the backlog is redeemed", isDone, 600_000);
  const logs = await chain.logs("TicketBroker", "WinningTicketRedeemed", dueFrom);
  const transactions = new Set(logs.map(({ hash }) => hash)).size;
  return [
    ["  winners in all, redeemed before the outage was over", `${won}, ${before}`],
    [
      "  redeemed after it, in transactions, seconds",
      `${won - before} in ${transactions}, ${seconds(doneMs - startedMs)}`,
    ],
  ];
}

function lostText(lost: readonly string[]): string {
  if (lost.length === 0) return "0";
  return `${lost.length}: ${[...new Set(lost)].slice(0, 3).join("; ").slice(0, 200)}`;
}
