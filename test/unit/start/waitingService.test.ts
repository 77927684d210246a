import { expect, test } from "bun:test";
import { create } from "@bufbuild/protobuf";
import { OrchestratorRequestSchema } from "../../../src/protocol/gen/lp_rpc_pb.ts";
import { CAPPED_TEXT } from "../../../src/protocol/texts.ts";
import { WaitingService } from "../../../src/start/waitingService.ts";
import { ScriptedNode } from "../../support/serverNode.ts";

/*
 * Goal: what comes to the port before the node is the node's to answer, in order, or is refused as by a full node
 * within bounds. Method: the real class before a node that remembers what it was asked.
 */

const peer = { remoteAddress: "127.0.0.1" };
const request = create(OrchestratorRequestSchema, {});
const headers = (segment: string) => ({ segment, payment: null, contentType: null });

test("requests wait for the node and reach it in the order of their arrival", async () => {
  const service = new WaitingService();
  const node = new ScriptedNode();
  const first = service.openSegment(headers("first"), peer);
  const info = service.getOrchestrator(request, peer);
  const others = [
    ...[service.ping(new Uint8Array([1, 2]), peer), service.endTranscodingSession(undefined, peer)],
    ...[service.pay(headers("paid"), peer), service.refreshPayment(refresh, peer)],
  ];
  const second = service.openSegment(headers("second"), peer);
  expect(service.waitingCount).toBe(7);
  expect(service.unhealthyReason()).toBe("The node is starting.");
  expect(service.readRendition("x/y.ts")).toBeNull();
  expect([node.openedWith, node.requests]).toEqual([[], []]);

  service.open(node);
  expect(await first).toMatchObject({ type: "upload" });
  expect(await second).toMatchObject({ type: "upload" });
  expect(node.openedWith.map(({ segment }) => segment)).toEqual(["first", "second"]);
  expect(await info).toMatchObject({ type: "answer" });
  const types = (await Promise.all(others)).map(({ type }) => type);
  expect(types).toEqual(["answer", "refused", "paid", "refreshed"]);
  expect(service.waitingCount).toBe(0);
});

const refresh = { sender: new Uint8Array(20), manifestId: "m" };

test("once the node is there, discovery is answered without a promise", () => {
  const service = new WaitingService();
  const node = new ScriptedNode();
  node.unhealthy = "no worker";
  service.open(node);
  expect(service.getOrchestrator(request, peer)).toMatchObject({ type: "answer" });
  expect(service.ping(new Uint8Array([1, 2]), peer)).toEqual({
    type: "answer",
    value: new Uint8Array([2, 1]),
  });
  expect(service.unhealthyReason()).toBe("no worker");
});

test("a node that does not come in time is a full one, and is not asked later", async () => {
  const service = new WaitingService({ waitMs: 5 });
  const node = new ScriptedNode();
  const answers = await Promise.all([
    service.getOrchestrator(request, peer),
    service.ping(new Uint8Array(32), peer),
    service.endTranscodingSession(undefined, peer),
  ]);
  for (const answer of answers) {
    expect(answer).toEqual({ type: "refused", text: `Invalid orchestrator request: ${CAPPED_TEXT}` });
  }
  const refused = { type: "refused" as const, status: 403, text: CAPPED_TEXT };
  expect(await service.openSegment(headers("s"), peer)).toEqual(refused);
  expect(await service.pay(headers("s"), peer)).toEqual(refused);
  expect(await service.refreshPayment(refresh, peer)).toEqual(refused);
  expect(service.waitingCount).toBe(0);
  service.open(node);
  expect([node.requests, node.openedWith, node.paidWith, node.refreshedWith]).toEqual([[], [], [], []]);
});

test("no more wait than there is room for", async () => {
  const service = new WaitingService({ waitingMax: 2 });
  const waiting = [service.getOrchestrator(request, peer), service.getOrchestrator(request, peer)];
  expect(service.getOrchestrator(request, peer)).toMatchObject({ type: "refused" });
  service.open(new ScriptedNode());
  expect((await Promise.all(waiting)).map(({ type }) => type)).toEqual(["answer", "answer"]);
});
