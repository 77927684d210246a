import { rmSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { fromBinary } from "@bufbuild/protobuf";
import { decodeBase64 } from "../../../../src/protocol/base64.ts";
import { toHex } from "../../../../src/protocol/bytes.ts";
import { type OrchestratorInfo, OrchestratorInfoSchema } from "../../../../src/protocol/gen/lp_rpc_pb.ts";
import { temporaryDir } from "../../../support/nodeFixture.ts";
import { dataOf, profileOf, tinySegment } from "../../../support/nodeSegments.ts";
import {
  auditMoney,
  type MoneyWorld,
  type OnchainNode,
  openMoneyWorld,
  openOnchainNode,
} from "../../../support/onchainNode.ts";
import { tryPayment } from "../../../support/paymentTrials.ts";
import type { PaidSubmission, PayingGateway } from "../../../support/payingGateway.ts";
import { Http2Client } from "../../../support/serverClients.ts";

/*
 * Goal: the token that /refresh-payment gives to whoever has an account opens no door but its own. Method: a whole
 * node, a gateway with a running session, and a paying stranger who knows that session's id (it is part of every
 * rendition's URL).
 */

setDefaultTimeout(120_000);

let world: MoneyWorld;
const folders: string[] = [];
beforeAll(async () => {
  world = await openMoneyWorld();
});
afterAll(async () => {
  await world[Symbol.asyncDispose]();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

async function submission(seq: number): Promise<PaidSubmission> {
  return { manifestId: "movie", seq, media: await tinySegment(), durationMs: 200, profiles: [profileOf()] };
}

/** What /refresh-payment says about this account: its status, and the terms when there are any. */
async function refresh(
  node: OnchainNode,
  gateway: PayingGateway,
  manifestId: string,
): Promise<{ readonly status: number; readonly info: OrchestratorInfo | null }> {
  await using client = new Http2Client(node.port);
  const body = JSON.stringify({ sender: toHex(gateway.account), manifest_id: manifestId });
  const answer = await client.request(
    { ":method": "POST", ":path": "/refresh-payment" },
    new TextEncoder().encode(body),
  );
  if (answer.status !== 200) return { status: answer.status, info: null };
  const { payment_params: text } = JSON.parse(new TextDecoder().decode(answer.body)) as {
    payment_params: string;
  };
  const decoded = decodeBase64(text);
  if (decoded.type === "corrupt") throw new Error("The params are no base64.");
  return { status: answer.status, info: fromBinary(OrchestratorInfoSchema, decoded.bytes) };
}

describe("a token of /refresh-payment", () => {
  test("for the id of another gateway's session: no segment of it, no end of it; the owner goes on", async () => {
    const dataDir = temporaryDir();
    folders.push(dataDir);
    await using node = await openOnchainNode(world, { dataDir });
    const owner = await node.gateway();
    await owner.open();
    const sessionId = owner.info.authToken?.sessionId ?? "";

    // Before the session's first segment the id could be anybody's.
    const stranger = await node.gateway();
    const paid = await tryPayment(node, stranger, await stranger.open(), { nonces: [1, 2, 3] }, sessionId);
    expect(paid).toMatchObject({ status: 200, creditedTickets: "3" });
    const { status, info } = await refresh(node, stranger, sessionId);
    expect(status).toBe(200);
    dataOf((await owner.sendSegment(await submission(0), { count: 2 })).answer);
    expect((await refresh(node, stranger, sessionId)).status).toBe(409);
    expect((await refresh(node, owner, sessionId)).status).toBe(200);
    if (info?.authToken === undefined) throw new Error("no token");
    expect(info.authToken.sessionId).toBe(sessionId);
    stranger.use(info);
    const intruded = await stranger.sendSegment(await submission(1), { count: 1 });
    expect(intruded.answer).toMatchObject({ type: "refused", status: 403, text: "invalid auth token\n" });
    await stranger.client.endTranscodingSession(info.authToken);
    expect(node.running.node.sessionCount).toBe(1);

    dataOf((await owner.sendSegment(await submission(2))).answer);
    expect(node.running.node.sessionCount).toBe(1);
    const token = owner.info.authToken;
    if (token === undefined) throw new Error("no token");
    await owner.client.endTranscodingSession(token);
    expect(node.running.node.sessionCount).toBe(0);
    // Nor when it is over: the objects in its name are still fetched.
    expect((await refresh(node, stranger, sessionId)).status).toBe(409);
    await auditMoney(dataDir);
  });

  test.each(["..", "a/../b", "a.1/2", "a\u0000b", "x".repeat(65), "hash-ä"])(
    "for a name that is no plain one, such as %j: none",
    async (manifestId) => {
      await using node = await openOnchainNode(world);
      const gateway = await node.gateway();
      const paid = await tryPayment(node, gateway, await gateway.open(), { nonces: [1] }, manifestId);
      expect(paid.status).toBe(200);
      expect((await refresh(node, gateway, manifestId)).status).toBe(409);
      const plain = await tryPayment(node, gateway, await gateway.open(), { nonces: [1] }, "plain-name_1");
      expect(plain.status).toBe(200);
      expect((await refresh(node, gateway, "plain-name_1")).status).toBe(200);
    },
  );
});
