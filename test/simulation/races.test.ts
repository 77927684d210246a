import { create, toBinary } from "@bufbuild/protobuf";
import { expect, test } from "bun:test";
import { segmentData } from "../../src/demo/gatewayClient.ts";
import { encodeBase64 } from "../../src/protocol/base64.ts";
import {
  type AuthToken,
  OrchestratorRequestSchema,
  SegDataSchema,
} from "../../src/protocol/gen/lp_rpc_pb.ts";
import { presetProfile } from "../../src/protocol/presets.ts";
import { sessionIdleMs } from "../../src/actors/session/decide.ts";
import type { SegmentUpload } from "../../src/runtime/service.ts";
import { settle } from "../support/simulatedTime.ts";
import { Checker } from "./checker.ts";
import { calm, hashOf, World } from "./world.ts";

/*
 * Races that chance finds too seldom, each staged on simulated time: what the world does is written here step by
 * step, and the checkers of the simulation judge the log at the end.
 */

const peer = { remoteAddress: "203.0.113.9" };
const profile = presetProfile("P144p30fps16x9");

class Stage {
  readonly world = new World(1, calm);
  readonly checker = new Checker(this.world, []);
  readonly #giveBack = this.world.time.takeGlobalTimers();
  #seq = 0;

  [Symbol.dispose](): void {
    this.world.process?.node.stop();
    this.#giveBack();
  }

  get node() {
    const { process } = this.world;
    if (process === null) throw new Error("The node is down.");
    return process.node;
  }

  async pass(ms: number): Promise<void> {
    const endMs = this.world.time.nowMs + ms;
    let isOver = false;
    this.world.time.schedule(ms, { isAlive: true }, () => {
      isOver = true;
    });
    while (!isOver && this.world.time.step()) {
      await settle();
      this.checker.step();
    }
    expect(this.world.time.nowMs).toBe(endMs);
  }

  token(): AuthToken {
    const answer = this.node.getOrchestrator(
      create(OrchestratorRequestSchema, { address: new Uint8Array(20) }),
      peer,
    );
    if (answer instanceof Promise || answer.type !== "answer" || answer.value.authToken === undefined) {
      throw new Error("The node gave no token.");
    }
    return answer.value.authToken;
  }

  async open(authToken: AuthToken, media: Uint8Array): Promise<{ id: string; upload: SegmentUpload }> {
    this.#seq += 1;
    const data = segmentData({
      authToken,
      manifestId: "m",
      seq: this.#seq,
      media,
      keccak256: hashOf(media),
      durationMs: 2_000,
      profiles: profile === null || profile === undefined ? [] : [profile],
    });
    const headers = { segment: encodeBase64(toBinary(SegDataSchema, data)), payment: "", contentType: "" };
    const upload = await this.node.openSegment(headers, peer);
    if (upload.type === "refused") throw new Error(`refused: ${upload.text}`);
    return { id: this.world.lastAccepted ?? "", upload };
  }

  /** From the headers to the answer in the gateway's hands. */
  async deliver(authToken: AuthToken): Promise<string> {
    const media = Uint8Array.of(1, this.#seq);
    const { id, upload } = await this.open(authToken, media);
    let isAnswered = false;
    void upload.complete(media, hashOf(media)).then((accepted) => {
      if (accepted.type === "refused") return;
      void accepted.result.then(() => {
        isAnswered = true;
        accepted.delivered("sent");
      });
    });
    for (let tries = 0; !isAnswered && tries < 100; tries++) await this.pass(100);
    await this.pass(100);
    expect(isAnswered).toBe(true);
    return id;
  }
}

test("a segment that comes while its session's end is on the way to the disk opens a new incarnation", async () => {
  using stage = new Stage();
  const { world, checker } = stage;
  await world.start();
  const token = stage.token();
  const first = await stage.deliver(token);
  expect(first).toEndWith(".1/1");
  const session = world.process?.host.snapshot("session", first.split("/")[0] ?? "");
  const { idleDeadlineMs } = (session?.context ?? {}) as {
    readonly idleDeadlineMs: number;
  };
  expect(idleDeadlineMs - world.time.wallMs).toBeLessThan(sessionIdleMs);
  // From here on a commit takes seconds, so the decided end is not durable yet when the segment comes.
  await stage.pass(idleDeadlineMs - world.time.wallMs - 10);
  world.disk.latencyMaxMs = 5_000;
  world.excuse(20_000);
  await stage.pass(20);
  expect(world.process?.host.snapshot("session", first.split("/")[0] ?? "")).toBeNull();
  expect(stage.node.sessionCount).toBe(1);
  const second = await stage.deliver(token);
  expect(second).toEndWith(".2/1");
  world.disk.latencyMaxMs = 1;
  await stage.pass(200_000);
  checker.checkQuiet();
  expect(world.problems).toEqual([]);
});

test("a body that is whole only after its deadline leaves nothing in memory", async () => {
  using stage = new Stage();
  const { world, checker } = stage;
  await world.start();
  const media = Uint8Array.of(1, 2, 3);
  const { upload } = await stage.open(stage.token(), media);
  await stage.pass(upload.uploadDeadlineMs - world.time.wallMs + 2_000);
  let answer: unknown = null;
  void upload.complete(media, hashOf(media)).then((outcome) => {
    answer = outcome;
  });
  await stage.pass(1_000);
  expect(answer).toEqual({ type: "refused", status: 500, text: "Internal Server Error" });
  expect(world.process?.work.openCount).toBe(0);
  expect(world.process?.work.openBytes).toBe(0);
  await stage.pass(200_000);
  checker.checkQuiet();
  expect(world.problems).toEqual([]);
});
