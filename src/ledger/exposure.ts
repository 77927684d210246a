import type { ChainEvent } from "../events/chain.ts";
import type { StreamId } from "../events/envelope.ts";
import type { GatewayEvent } from "../events/gateway.ts";
import type { LogReader } from "../events/log/reader.ts";
import { availableFunds } from "../protocol/senderFunds.ts";
import type { UnixMs } from "../shared/brand.ts";

/** What a gateway's open winners stand against, as the log knows it last. Wei. */
export type GatewayExposure = {
  readonly deposit: bigint;
  readonly reserve: bigint;
  /** What the deposit and our share of the reserve can pay. */
  readonly covered: bigint;
  /** Face value of open winners beyond that. */
  readonly uncovered: bigint;
  /** Round in which the gateway may take everything back; 0 when it has not asked to. */
  readonly withdrawRound: bigint;
  readonly readAtMs: UnixMs;
};

/** @param outstanding - face value of the gateway's open winners, wei. Null when its funds were never recorded. */
export function exposureOf(reader: LogReader, sender: string, outstanding: bigint): GatewayExposure | null {
  const funds = reader.newestOf(`gateway:${sender}` as StreamId)?.event as GatewayEvent | undefined;
  const round = reader.newestOf("chain:own" as StreamId)?.event as ChainEvent | undefined;
  if (funds === undefined) return null;
  const available = availableFunds(funds, round?.transcoderPoolSize ?? 0n, 0n);
  const covered = available > 0n ? available : 0n;
  const { deposit, reserve, withdrawRound, readAtMs } = funds;
  const uncovered = outstanding > covered ? outstanding - covered : 0n;
  return { deposit, reserve, covered, uncovered, withdrawRound, readAtMs };
}
