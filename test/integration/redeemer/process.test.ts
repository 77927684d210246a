import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { rmSync } from "node:fs";
import { toHex } from "../../../src/protocol/bytes.ts";
import { StartError } from "../../../src/start/startError.ts";
import { temporaryDir } from "../../support/nodeFixture.ts";
import { startMain } from "../../support/nodeProcess.ts";
import { profileOf, tinySegment } from "../../support/nodeSegments.ts";
import {
  everyTicketWins,
  giveKey,
  type MoneyWorld,
  nodeAccount,
  openMoneyWorld,
  openOnchainNode,
  wonTickets,
} from "../../support/onchainNode.ts";
import {
  openRedeemer,
  queueTicket,
  redeemerAccount,
  redeemerFlags,
  winnerOf,
} from "../../support/redeemerFixture.ts";
import { Http2Client } from "../../support/serverClients.ts";

/*
 * Goal: the command itself is a redeemer when it is told to, on a folder of its own. Method: the real process, and a folder
 * that an orchestrator has left with an open session.
 */

setDefaultTimeout(120_000);

let world: MoneyWorld;
beforeAll(async () => {
  world = await openMoneyWorld();
});
afterAll(() => world[Symbol.asyncDispose]());

test("the command with -redeemer says what it is, takes a ticket, and ends in good order", async () => {
  const dataDir = temporaryDir();
  const { bytes, hash } = await winnerOf(world.chain, await world.fundedKey());
  {
    await using node = await startMain(dataDir, { flags: await redeemerFlags(world, dataDir) });
    expect(node.output()).toContain("is a redeemer on the network devnet");
    await using client = new Http2Client(node.port);
    expect((await queueTicket(client, bytes)).status).toBe(0);
    node.process.kill("SIGTERM");
    expect(await node.ended).toBe(0);
  }
  expect(wonTickets(dataDir)).toEqual([hash]);
  rmSync(dataDir, { recursive: true, force: true });
});

test("a folder with an orchestrator's open sessions is refused, and left as it was", async () => {
  const dataDir = temporaryDir();
  giveKey(dataDir);
  {
    await using node = await openOnchainNode(world, { dataDir, flags: everyTicketWins });
    const gateway = await node.gateway();
    const media = await tinySegment();
    await gateway.sendSegment({
      ...{ manifestId: "movie", seq: 0, media, durationMs: 200, profiles: [profileOf()] },
    });
  }
  const flags = ["-ethAcctAddr", toHex(redeemerAccount)];
  const refusal = await openRedeemer(world, { dataDir, flags }).catch((error: unknown) => error);
  expect(refusal).toBeInstanceOf(StartError);
  expect(String(refusal)).toContain("open sessions of an orchestrator");
  // The folder is free again: its owner starts.
  await using node = await openOnchainNode(world, {
    dataDir,
    flags: [...everyTicketWins, "-ethAcctAddr", toHex(nodeAccount)],
  });
  expect(node.running.resumed.sessions).toBe(1);
});
