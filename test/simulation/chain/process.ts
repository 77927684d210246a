import { allKinds } from "../../../src/actors/allKinds.ts";
import type { ChainConfig } from "../../../src/config/config.ts";
import type { RecordedEvent } from "../../../src/events/envelope.ts";
import { Journal } from "../../../src/events/log/journal.ts";
import { allViews } from "../../../src/events/log/openLog.ts";
import { rebuildViews } from "../../../src/events/views/rebuild.ts";
import { fromHex } from "../../../src/protocol/bytes.ts";
import { transactionEffects } from "../../../src/runtime/chain/transactionDesk.ts";
import { Host } from "../../../src/runtime/host.ts";
import type { Edge } from "../../../src/runtime/ports.ts";
import { assert } from "../../../src/shared/assert.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import type { Account } from "../../../src/start/openAccount.ts";
import { type OpenOffice, openOffice } from "../../../src/start/openOffice.ts";
import type { Logger } from "../../../src/telemetry/logger.ts";
import type { SimulatedDisk } from "../../support/simulatedDisk.ts";
import {
  type LedgerDeskOptions,
  ledgerSigner,
  SimulatedLedgerDesk,
} from "../../support/simulatedLedgerDesk.ts";
import type { Owner } from "../../support/simulatedTime.ts";
import type { ChainClimate } from "./climate.ts";

/** One process of the node, as far as it spends: everything that a crash takes along. */
export type OfficeProcess = {
  readonly owner: Owner;
  readonly host: Host;
  readonly desk: SimulatedLedgerDesk;
  readonly office: OpenOffice;
};

/** Who is who. */
export type OfficeAccounts = {
  /** The registered account: tickets are made out to it. */
  readonly orchestrator: Hex;
  readonly redeemer: Hex;
  readonly rewardCaller: Hex;
};

export type OfficeParts = {
  readonly climate: ChainClimate;
  readonly accounts: OfficeAccounts;
  readonly disk: SimulatedDisk;
  readonly ledger: Omit<LedgerDeskOptions, "process">;
  readonly onRecorded: (recorded: RecordedEvent) => void;
  readonly onFault: (error: unknown) => void;
};

/** Gas that the redemption of one ticket is taken to cost; as on a chain that is none of Livepeer's own. */
export const redeemGas = 350_000n;

const silentLogger = new Proxy({}, { get: () => () => {} }) as Logger;

/** Starts a process on what the disk holds, put together as `startNode` does. */
export async function startOffice(parts: OfficeParts): Promise<OfficeProcess> {
  const { climate, accounts, disk, ledger, onRecorded, onFault } = parts;
  const { time, chance } = ledger;
  const owner: Owner = { isAlive: true };
  time.process = owner;
  const { reader } = disk;
  rebuildViews(disk.db, reader, allViews.views);
  const edge: Edge = {
    nowMs: () => time.wallMs,
    randomBytes: (length) => chance.bytes(length),
    keccak256: (bytes) => new Uint8Array(new Bun.CryptoHasher("sha256").update(bytes).digest()),
    monotonicMs: () => time.nowMs,
  };
  const journal = await Journal.open("simulated", allViews.statements, { onHalted: onFault }, () =>
    disk.startThread(owner),
  );
  const desk = new SimulatedLedgerDesk({ ...ledger, process: owner });
  let office: OpenOffice | null = null;
  const host = new Host({
    ...{ kinds: allKinds, journal, reader, views: allViews, edge, onRecorded, onFault },
    effects: transactionEffects(() => office?.transactions ?? null),
  });
  host.start();
  office = openOffice({
    ...{ desk, host, reader, edge, onFault, logger: silentLogger },
    chain: configOf(climate),
    account: accountOf(accounts),
    signer: ledgerSigner(ledger.accounts),
    feeMax: () => climate.feeMax,
    onOpened: () => {},
    onEnded: () => {},
  });
  return { owner, host, desk, office };
}

/** What the office reads of the configuration. */
function configOf({ confirmations, timeoutMs, initializes }: ChainClimate): ChainConfig {
  const config: Partial<ChainConfig> = {
    ...{
      confirmations,
      gasLimit: 0n,
      transactionTimeoutMs: timeoutMs,
      reward: "auto",
      redeem: true,
      remoteRedeemer: null,
      redeemGas,
    },
    ...{ initializeRound: initializes, initializeRoundMaxDelayMs: 30_000 },
  };
  return config as ChainConfig;
}

function accountOf({ orchestrator, redeemer, rewardCaller }: OfficeAccounts): Account {
  const recipient = fromHex(orchestrator);
  assert(recipient !== null, "The orchestrator's account is no account.");
  const account: Partial<Account> = { recipient, redeemer, rewardCaller };
  return account as Account;
}
