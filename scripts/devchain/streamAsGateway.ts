import { join } from "node:path";
import { rmSync } from "node:fs";
import {
  decodeFunctionResult,
  encodeFunctionData,
  formatEther,
  hexToBytes,
  keccak256,
  parseAbi,
  stringToHex,
} from "viem";
import { choosePicture, liveSegments } from "../../src/demo/liveSource.ts";
import { presetProfile } from "../../src/protocol/presets.ts";
import { callRpc } from "../../test/support/chain/anvil.ts";
import type { Hex } from "../../test/support/chain/transactions.ts";
import type { GatewayClock, GatewayFunds } from "../../test/support/gatewayTickets.ts";
import { PayingGateway } from "../../test/support/payingGateway.ts";
import { type DevchainRecord, gateway, pathsIn, readRecord } from "./folder.ts";
import type { StreamOptions } from "./options.ts";

const abi = parseAbi([
  "struct Sender { uint256 deposit; uint256 withdrawRound; }",
  "struct Reserve { uint256 remaining; uint256 claimed; }",
  "function getContract(bytes32 id) view returns (address)",
  "function lastInitializedRound() view returns (uint256)",
  "function blockHashForRound(uint256 round) view returns (bytes32)",
  "function getSenderInfo(address sender) view returns (Sender sender, Reserve reserve)",
]);

/**
 * Plays a test picture in real time to the orchestrator of the chain, and pays for it as a gateway does.
 *
 * @throws Error when the chain or the orchestrator does not answer, or offers what a gateway would not take
 */
export async function streamAsGateway(
  options: StreamOptions,
  print: (line: string) => void,
  stop: AbortSignal,
): Promise<void> {
  const record = readRecord(options.outDir);
  const view = await openView(record);
  const serviceUri = `https://${record.serviceAddr}`;
  await using paying = new PayingGateway({
    serviceUri,
    privateKey: gateway.privateKey,
    funds: () => view.funds(),
    clock: () => view.clock(),
  });
  const picture = await choosePicture();
  const names = picture.height === 720 ? ["P240p30fps16x9", "P360p30fps16x9"] : ["P144p30fps16x9"];
  const profiles = names.flatMap((name) => presetProfile(name) ?? []);
  const info = await paying.open();
  print(`Streaming ${options.seconds} s of ${picture.width}x${picture.height} to ${serviceUri}`);
  print(
    `  price ${info.priceInfo?.pricePerUnit} wei for ${info.priceInfo?.pixelsPerUnit} pixels; a ticket is worth ${paying.ev.numerator / paying.ev.denominator} wei on average`,
  );
  const dir = join(pathsIn(options.outDir).media, `${Date.now()}`);
  const manifestId = `devchain-${Date.now()}`;
  let tickets = 0;
  let isRefused = false;
  try {
    for await (const { seq, path, durationMs } of liveSegments({
      ...{ picture, segmentSeconds: 2, seconds: options.seconds, dir, signal: stop },
    })) {
      const media = await Bun.file(path).bytes();
      const { answer, sent } = await paying.sendSegment({ manifestId, seq, media, durationMs, profiles });
      tickets += sent.ticketsSent;
      isRefused ||= answer.type === "refused";
      const outcome = answer.type === "refused" ? `refused: ${answer.status} ${answer.text}` : "done";
      print(`  segment ${seq}: ${sent.ticketsSent} tickets, ${outcome}`);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
  const { deposit, reserve } = await view.funds();
  print(`Sent ${tickets} tickets. Deposit ${formatEther(deposit)} ETH, reserve ${formatEther(reserve)} ETH.`);
  if (isRefused) throw new Error("the orchestrator refused a segment.");
}

async function openView(record: DevchainRecord): Promise<{
  funds(): Promise<GatewayFunds>;
  clock(): Promise<GatewayClock>;
}> {
  const read = async (to: Hex, functionName: string, args: readonly unknown[]): Promise<unknown> => {
    const data = encodeFunctionData({ abi: abi as never, functionName, args } as never);
    const answer = (await callRpc(record.url, "eth_call", [{ to, data }, "latest"])) as Hex;
    return decodeFunctionResult({ abi: abi as never, functionName, data: answer } as never);
  };
  const find = async (name: string) =>
    (await read(record.controller, "getContract", [keccak256(stringToHex(name))])) as Hex;
  const [broker, rounds] = [await find("TicketBroker"), await find("RoundsManager")];
  return {
    funds: async () => {
      const [sender, reserve] = (await read(broker, "getSenderInfo", [gateway.account])) as [
        { deposit: bigint; withdrawRound: bigint },
        { remaining: bigint },
      ];
      return { ...sender, reserve: reserve.remaining };
    },
    clock: async () => {
      const lastRound = (await read(rounds, "lastInitializedRound", [])) as bigint;
      const hash = (await read(rounds, "blockHashForRound", [lastRound])) as Hex;
      const head = await callRpc(record.url, "eth_blockNumber", []);
      return { lastSeenL1Block: BigInt(String(head)), lastRound, lastRoundHash: hexToBytes(hash) };
    },
  };
}
