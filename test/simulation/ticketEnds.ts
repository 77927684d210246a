import type { LogReader } from "../../src/events/log/reader.ts";
import { RedemptionDesk } from "../../src/runtime/chain/redemptionDesk.ts";
import { TransactionDesk } from "../../src/runtime/chain/transactionDesk.ts";
import type { ChainDesk, ChainLook } from "../../src/runtime/chainPorts.ts";
import type { Host } from "../../src/runtime/host.ts";
import type { ChainClock } from "../../src/runtime/ports.ts";
import type { Hex, UnixMs } from "../../src/shared/brand.ts";
import type { SimulatedChain } from "../support/simulatedChain.ts";
import type { SimulatedTime } from "../support/simulatedTime.ts";

export type TicketEndsParts = {
  readonly host: Host;
  readonly reader: LogReader;
  readonly chain: SimulatedChain;
  readonly chainId: bigint;
  readonly time: SimulatedTime;
  readonly onOpened: (sender: Hex, faceValue: bigint) => void;
  readonly onEnded: (sender: Hex, faceValue: bigint) => void;
  readonly onFault: (error: unknown) => void;
};

/**
 * The redemption desk of a node that has no key to pay gas with: it sends nothing and ends tickets as the chain says.
 * What it sends is tried in the simulation of money out. Call it with every reading of the chain.
 */
export function openTicketEnds(parts: TicketEndsParts): (clock: ChainClock) => void {
  const { host, reader, chain, chainId, time, onOpened, onEnded, onFault } = parts;
  const desk = keylessDesk(chain);
  const shared = { host, desk, monotonicMs: () => time.nowMs, confirmations: 0, feeMax: () => null };
  const transactions = new TransactionDesk({
    ...shared,
    signer: { accounts: [], sign: () => unheard("sign") },
    timeoutMs: 60_000,
    onFault,
  });
  const redemption = new RedemptionDesk({
    ...shared,
    ...{ reader, transactions, from: null, redeemGas: 0n, onOpened, onEnded },
  });
  let isAsking = false;
  return (clock) => {
    if (isAsking) return;
    isAsking = true;
    void redemption
      .tick(lookOf(clock, chainId))
      .catch(onFault)
      .finally(() => {
        isAsking = false;
      });
  };
}

function keylessDesk(chain: SimulatedChain): ChainDesk {
  return {
    areTicketsUsed: (hashes) => chain.areTicketsUsed(hashes),
    look: () => unheard("look"),
    nonces: () => unheard("nonces"),
    receipts: () => unheard("receipts"),
    blockHash: () => unheard("blockHash"),
    broadcast: () => unheard("broadcast"),
    simulate: () => unheard("simulate"),
    payable: () => unheard("payable"),
    rewardHint: () => unheard("rewardHint"),
    logs: () => unheard("logs"),
    redeemCall: () => unheard("redeemCall"),
    rewardCall: () => unheard("rewardCall"),
    initializeRoundCall: () => unheard("initializeRoundCall"),
    gasLimit: () => unheard("gasLimit"),
  };
}

function unheard(what: string): never {
  throw new Error(`Who has no key asks for \`${what}\`.`);
}

/** Of a chain that is its own L1 and whose rounds begin by themselves. */
function lookOf(clock: ChainClock, chainId: bigint): ChainLook {
  const round = clock.lastInitializedRound;
  return {
    ...{ atMs: clock.readAtMs as UnixMs, chainId, block: clock.l1Block, l1Block: clock.l1Block },
    ...{ baseFee: null, gasPrice: 0n, tip: 0n, isPaused: false, balances: new Map() },
    round: {
      ...{ current: round, lastInitialized: round, startBlock: clock.l1Block, length: 1n, isLocked: false },
      ...{ ticketValidityPeriod: clock.ticketValidityPeriod, poolSize: clock.transcoderPoolSize },
    },
    orchestrator: {
      ...{ isActive: clock.isRecipientActive, isRegistered: true, lastRewardRound: 0n, activationRound: 0n },
      ...{ deactivationRound: 0n, stake: 0n, rewardCaller: null, rewardForecast: 0n },
    },
  };
}
