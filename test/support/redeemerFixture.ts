import { rmSync } from "node:fs";
import { join } from "node:path";
import { encodeQueuedTicket, type QueuedTicket } from "../../src/protocol/redeemer.ts";
import { bigintOfBytes } from "../../src/protocol/integerBytes.ts";
import { recipientRandHash } from "../../src/protocol/recipientRand.ts";
import { maxWinProb, ticketHash } from "../../src/protocol/ticket.ts";
import { toHex } from "../../src/protocol/bytes.ts";
import type { Hex } from "../../src/shared/brand.ts";
import { type RunningRedeemer, startRedeemer } from "../../src/start/startRedeemer.ts";
import type { StartOptions } from "../../src/startNode.ts";
import type { DevChain } from "./chain/devChain.ts";
import { writeKeystore } from "./keystores.ts";
import { type MoneyWorld, nodeAccount, withFastPolls } from "./onchainNode.ts";
import { freePort, nodeConfig, temporaryDir } from "./nodeFixture.ts";
import { Http2Client, type RpcResult } from "./serverClients.ts";
import { accountOfPrivateKey, signPersonalMessage } from "./signatures.ts";
import { redeemerPaths } from "../../src/protocol/redeemer.ts";

/*
 * A redeemer in the test process, on a chain on which `nodeAccount` is the orchestrator. Its own account is another one,
 * which only pays gas. The orchestrator is played by the test, frame by frame.
 */

/** The redeemer's own key: it is nobody's on the chain. */
export const redeemerKey: Uint8Array = new Uint8Array(32).fill(0x0e);
export const redeemerAccount: Uint8Array = accountOfPrivateKey(redeemerKey);

export type TestRedeemer = AsyncDisposable & {
  readonly running: RunningRedeemer;
  readonly dataDir: string;
  readonly port: number;
  readonly fatal: readonly unknown[];
  readonly logLines: readonly string[];
  /** A connection of its own; closed with the redeemer. */
  connect(): Http2Client;
};

/** The flags of a redeemer on the chain of `world`, but for its folder, which gets its key, and its addresses. */
export async function redeemerFlags(world: MoneyWorld, dataDir: string): Promise<readonly string[]> {
  writeKeystore(join(dataDir, "keystore"), redeemerKey, "secret");
  await world.chain.giveEther(redeemerAccount, 10n ** 19n);
  return [
    ...["-redeemer", "-network", "devnet", "-ethUrl", world.chain.rpc.url],
    ...["-ethController", world.chain.controller, "-ethPassword", "secret", "-confirmations", "1"],
    ...["-ethOrchAddr", toHex(nodeAccount)],
  ];
}

/** Starts a redeemer. Disposing drains it. */
export async function openRedeemer(
  world: MoneyWorld,
  options: Partial<StartOptions> & { readonly dataDir?: string; readonly flags?: readonly string[] } = {},
): Promise<TestRedeemer> {
  const { dataDir: givenDir, flags = [], ...startOptions } = options;
  const dataDir = givenDir ?? temporaryDir();
  const words = [
    ...(await redeemerFlags(world, dataDir)),
    ...["-dataDir", dataDir, "-httpAddr", `127.0.0.1:${await freePort()}`],
    ...["-cliAddr", `127.0.0.1:${await freePort()}`, ...flags],
  ];
  const config = withFastPolls(nodeConfig(words));
  const [fatal, logLines]: [unknown[], string[]] = [[], []];
  const running = await startRedeemer({
    ...startOptions,
    config,
    writeLog: (line) => logLines.push(line),
    onFatal: (error) => fatal.push(error),
  });
  const clients: Http2Client[] = [];
  return {
    ...{ running, dataDir, fatal, logLines, port: running.listener.port },
    connect: () => {
      const client = new Http2Client(running.listener.port);
      clients.push(client);
      return client;
    },
    [Symbol.asyncDispose]: async () => {
      for (const client of clients) await client[Symbol.asyncDispose]();
      await running.drain();
      if (givenDir === undefined) rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

let ticketsMade = 0;

export type MadeTicket = { readonly ticket: QueuedTicket; readonly hash: Hex; readonly bytes: Uint8Array };

/** A winner that the broker would pay, made out to `nodeAccount` and due at once. */
export async function winnerOf(
  chain: DevChain,
  key: Uint8Array,
  changes: {
    readonly faceValue?: bigint;
    readonly winProb?: bigint;
    readonly recipient?: Uint8Array;
    readonly creationRound?: bigint;
    readonly signer?: Uint8Array;
  } = {},
): Promise<MadeTicket> {
  ticketsMade += 1;
  const recipientRand = new Uint8Array(32).fill(0x44);
  new DataView(recipientRand.buffer).setUint32(28, ticketsMade);
  const round =
    changes.creationRound ?? ((await chain.read("RoundsManager", "lastInitializedRound", [])) as bigint);
  const blockHash = String(await chain.read("RoundsManager", "blockHashForRound", [round]));
  const terms = {
    recipient: changes.recipient ?? nodeAccount,
    sender: accountOfPrivateKey(key),
    faceValue: changes.faceValue ?? 10n ** 16n,
    winProb: changes.winProb ?? maxWinProb,
    recipientRandHash: recipientRandHash(recipientRand),
    expiration: {
      creationRound: round,
      creationRoundBlockHash: new Uint8Array(Buffer.from(blockHash.slice(2), "hex")),
    },
  };
  const computed = ticketHash(terms, 1);
  const ticket: QueuedTicket = {
    ...{ type: "ticket", terms, senderNonce: 1, recipientRand },
    signature: signPersonalMessage(computed, changes.signer ?? key),
    expirationBlock: await chain.blockNumber(),
  };
  return { ticket, hash: toHex(computed), bytes: encodeQueuedTicket(ticket) };
}

/** Hands a ticket over, as an orchestrator does. */
export function queueTicket(client: Http2Client, bytes: Uint8Array): Promise<RpcResult> {
  return client.call(redeemerPaths.queueTicket, bytes);
}

/** A stream of `MonitorMaxFloat`, with what has come on it. */
export type FloatStream = {
  /** Wei, in the order of their arrival. */
  readonly updates: readonly bigint[];
  /** Resolves with the response's header block. */
  readonly opened: Promise<void>;
  /** Resolves with grpc-status when the stream ends; null when it was reset. */
  readonly ended: Promise<number | null>;
  cancel(): void;
};

/** Opens a stream on a connection. */
export function monitor(client: Http2Client, message: Uint8Array): FloatStream {
  const framed = Buffer.alloc(5 + message.byteLength);
  framed.writeUInt32BE(message.byteLength, 1);
  framed.set(message, 5);
  const stream = client.open({
    ":method": "POST",
    ":path": redeemerPaths.monitorMaxFloat,
    "content-type": "application/grpc",
    te: "trailers",
  });
  const updates: bigint[] = [];
  let pending = Buffer.alloc(0);
  let status: number | null = null;
  stream.on("data", (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk]);
    while (pending.length >= 5 && pending.length >= 5 + pending.readUInt32BE(1)) {
      const length = pending.readUInt32BE(1);
      // Tag and length of the only field; none for 0.
      updates.push(bigintOfBytes(pending.subarray(5, 5 + length).subarray(2)));
      pending = pending.subarray(5 + length);
    }
  });
  stream.once("trailers", (fields) => {
    status = Number(fields["grpc-status"]);
  });
  const opened = new Promise<void>((resolve) => stream.once("response", () => resolve()));
  const ended = new Promise<number | null>((resolve) => stream.once("close", () => resolve(status)));
  stream.end(framed);
  return { updates, opened, ended, cancel: () => stream.close(8) };
}
