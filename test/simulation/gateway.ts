import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { segmentData } from "../../src/demo/gatewayClient.ts";
import { encodeBase64 } from "../../src/protocol/base64.ts";
import {
  type AuthToken,
  OrchestratorRequestSchema,
  PaymentResultSchema,
  SegDataSchema,
  TranscodeResultSchema,
} from "../../src/protocol/gen/lp_rpc_pb.ts";
import type { SessionContext } from "../../src/actors/session/machine.ts";
import type { RenditionProfile } from "../../src/protocol/profile.ts";
import type { AcceptedSegment } from "../../src/runtime/service.ts";
import type { Owner } from "../support/simulatedTime.ts";
import { poisonByte } from "../support/simulatedWorkers.ts";
import type { Purse, SentPayment } from "./purse.ts";
import { hashOf, type NodeProcess, type World } from "./world.ts";

/** What a gateway saw of one segment, for the checker. */
export type Upload = {
  readonly segmentId: string;
  readonly process: NodeProcess;
  readonly startedMs: number;
  readonly intent: "whole" | "wrong hash" | "abort" | "stuck";
  state: "uploading" | "refused" | "accepted" | "answered" | "aborted";
  /** What came back: renditions, or the text of the failure. */
  answer: { readonly type: "data" } | { readonly type: "error"; readonly text: string } | null;
  told: "sent" | "client-gone" | null;
  toldMs: number;
  /** What paid for it; null off-chain. */
  readonly sent: SentPayment | null;
};

const profile = (name: string, width: number, height: number): RenditionProfile => ({
  name,
  width,
  height,
  bitrate: 400_000,
  fps: 30,
  fpsDen: 1,
  gopMs: 0,
  profile: "default",
  format: "mpegts",
  encoder: "h264",
  quality: 0,
});
const ladder = [profile("P144p30fps16x9", 256, 144), profile("P240p30fps16x9", 426, 240)] as const;

/**
 * A gateway with one stream: it finds the node, sends segments, and does everything that gateways do to a node:
 * bursts, the same segment twice, aborts, wrong hashes, silence, refreshes, goodbyes. The listener between the two
 * is part of it: it keeps the contract of `service.ts`.
 */
export class Gateway {
  readonly uploads: Upload[] = [];
  readonly #world: World;
  readonly #name: string;
  /** The gateway outlives the node's processes. */
  readonly #owner: Owner = { isAlive: true };
  /** Null off-chain. */
  readonly #purse: Purse | null;
  #token: AuthToken | null = null;
  #seq = 0n;
  #isStopped = false;

  constructor(world: World, name: string) {
    this.#world = world;
    this.#name = name;
    this.#purse = world.newPurse();
    this.#nextTick();
  }

  /** No new segments from now on. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Something is up: it does not wait for its next turn. */
  hurry(): void {
    for (let times = 0; times < 3; times++) {
      this.#after(this.#world.chance.between(0, 1_500), () => {
        if (!this.#isStopped) this.#act();
      });
    }
  }

  #nextTick(): void {
    const { chance } = this.#world;
    const usualMs = chance.pick([
      chance.between(0, 30),
      chance.between(300, 2_000),
      chance.between(1_500, 6_000),
    ]);
    this.#after(this.#pauseMs() ?? usualMs, () => {
      if (this.#isStopped) return;
      this.#act();
      this.#nextTick();
    });
  }

  /** Now and then a stream pauses, and comes back at the very moment at which its session ends for being quiet. */
  #pauseMs(): number | null {
    const { chance, process, time, climate } = this.#world;
    const session = this.uploads.at(-1)?.segmentId.split("/")[0];
    if (process === null || session === undefined) return null;
    const context = process.host.snapshot("session", session)?.context as SessionContext | undefined;
    const dueMs = context?.idleDeadlineMs ?? null;
    if (dueMs === null || !chance.isTrue(climate.activeMs > 60_000 ? 0.3 : 0.02)) return null;
    return Math.max(
      0,
      dueMs - time.wallMs + chance.pick([0, 1, chance.between(0, 20), chance.between(0, 400)]),
    );
  }

  #after(delayMs: number, run: () => void): void {
    this.#world.time.schedule(delayMs, this.#owner, run);
  }

  #act(): void {
    const { chance, process } = this.#world;
    if (process === null) return;
    const purse = this.#purse;
    if (purse !== null) {
      if (purse.isDue) purse.drop();
      this.#token = purse.token;
    }
    if (this.#token === null || chance.isTrue(0.05)) {
      if (purse === null) this.#discover(process);
      else void this.#negotiate(process, purse);
      return;
    }
    if (purse !== null && chance.isTrue(0.08)) {
      void this.#payAhead(process, purse);
      return;
    }
    if (chance.isTrue(0.04)) {
      // Some say goodbye while their first segment is still on its way.
      if (chance.isTrue(0.3)) this.#send(process);
      this.#goodbye(process);
      if (chance.isTrue(0.3)) this.#send(process);
      return;
    }
    const burst = chance.isTrue(purse === null ? 0.1 : 0.25) ? chance.between(2, 7) : 1;
    for (let index = 0; index < burst; index++) this.#send(process);
  }

  #discover(process: NodeProcess): void {
    const request = create(OrchestratorRequestSchema, { address: new Uint8Array(20) });
    const answer = process.node.getOrchestrator(request, { remoteAddress: this.#name });
    if (answer instanceof Promise) throw new Error("Without an authorizer the answer comes at once.");
    if (answer.type === "answer") this.#token = answer.value.authToken ?? null;
  }

  #goodbye(process: NodeProcess): void {
    if (this.#token === null) return;
    void process.node.endTranscodingSession(this.#token);
    // Some gateways go on with the token all the same.
    if (!this.#world.chance.isTrue(0.5)) return;
    this.#token = null;
    this.#purse?.drop();
  }

  /** Discovery of a gateway that has an account. */
  async #negotiate(process: NodeProcess, purse: Purse): Promise<void> {
    const { money } = this.#world;
    const refusalsBefore = money?.world.fundRefusals.get(purse.hex) ?? 0;
    const answer = await process.node.getOrchestrator(purse.request(), { remoteAddress: this.#name });
    if (answer.type === "answer") {
      money?.checker.offered(purse.hex, process);
      purse.open(answer.value);
    } else if (purse.isHonest)
      money?.checker.discoveryRefused(purse.hex, answer.text, refusalsBefore, process);
  }

  /** POST /payment, or a question for fresh parameters. */
  async #payAhead(process: NodeProcess, purse: Purse): Promise<void> {
    const { chance, money } = this.#world;
    const sessionId = this.#token?.sessionId ?? "";
    if (chance.isTrue(0.3)) {
      await process.node.refreshPayment({ sender: purse.account, manifestId: sessionId });
      return;
    }
    const manifestId = purse.isHonest || chance.isTrue(0.5) ? sessionId : `other${chance.between(1, 3)}`;
    const sent = purse.payAhead(process, chance.between(1, 3), manifestId);
    if (sent === null || this.#token === null) return;
    const media = new Uint8Array(0);
    const data = segmentData({
      ...{ authToken: this.#token, manifestId, seq: 0, media, keccak256: hashOf(media) },
      ...{ durationMs: 0, profiles: [] },
    });
    purse.signSegment(data, []);
    const headers = { segment: encodeBase64(toBinary(SegDataSchema, data)), payment: sent.header };
    const answer = await process.node.pay(headers, { remoteAddress: this.#name });
    money?.checker.answered(sent, answer, process);
    if (answer.type === "refused") purse.failed(sent, process);
    else purse.credited(sent, process, fromBinary(PaymentResultSchema, answer.result).info);
  }

  #send(process: NodeProcess): void {
    const { chance } = this.#world;
    if (this.#token === null) return;
    const isRepeated = chance.isTrue(0.05) && this.#seq > 0n;
    if (!isRepeated) this.#seq += 1n;
    const media = this.#media();
    const purse = this.#purse;
    // Who pays announces the truth, or has its own reasons.
    const durationMs = chance.pick(purse?.isHonest === true ? [2_000, 4_000] : [0, 1_000, 2_000, 4_000]);
    const profiles = ladder.slice(0, chance.between(1, 2));
    const data = segmentData({
      authToken: this.#token,
      manifestId: this.#name,
      seq: this.#seq,
      media,
      keccak256: hashOf(media),
      durationMs,
      profiles,
    });
    const sent = purse === null ? null : purse.payForSegment(process, profiles, durationMs);
    if (purse !== null && sent === null) return;
    purse?.signSegment(data, profiles);
    const headers = {
      segment: encodeBase64(toBinary(SegDataSchema, data)),
      payment: sent?.header ?? "",
      contentType: "video/MP2T",
    };
    void this.#upload(process, headers, media, { sessionId: this.#token.sessionId, seq: this.#seq, sent });
  }

  /** Mostly fresh bytes; now and then the same again, or something that kills workers. */
  #media(): Uint8Array {
    const { chance } = this.#world;
    if (chance.isTrue(0.06)) return Uint8Array.of(poisonByte, chance.between(0, 1));
    if (chance.isTrue(0.05)) return Uint8Array.of(1, 2, 3);
    return Uint8Array.of(chance.between(0, 200), ...chance.bytes(9));
  }

  async #upload(
    process: NodeProcess,
    headers: { readonly segment: string; readonly payment: string; readonly contentType: string },
    media: Uint8Array,
    asked: { readonly sessionId: string; readonly seq: bigint; readonly sent: SentPayment | null },
  ): Promise<void> {
    const { chance, time, money } = this.#world;
    const { sent } = asked;
    const opened = await process.node.openSegment(headers, { remoteAddress: this.#name });
    if (opened.type === "refused") {
      if (sent !== null) {
        money?.checker.answered(sent, opened, process);
        this.#purse?.failed(sent, process);
      }
      if (opened.status === 403 && chance.isTrue(0.5)) this.#token = null;
      return;
    }
    const mediaHash = `0x${Buffer.from(hashOf(media)).toString("hex")}`;
    const segmentId = this.#world.takeAccepted(asked.sessionId, asked.seq, mediaHash);
    if (segmentId === null) throw new Error("An upload was opened without a segment.");
    const intent = chance.isTrue(0.85) ? "whole" : chance.pick(["wrong hash", "abort", "stuck"] as const);
    const upload: Upload = {
      segmentId,
      process,
      startedMs: time.nowMs,
      intent,
      state: "uploading",
      answer: null,
      told: null,
      toldMs: 0,
      sent,
    };
    this.uploads.push(upload);
    const delayMs = chance.pick([0, chance.between(0, 300), chance.between(0, 9_000)]);
    // The listener gives an upload up at its deadline, whatever the gateway does.
    const leftMs = opened.uploadDeadlineMs - time.wallMs;
    if (intent === "stuck" || delayMs >= leftMs) {
      this.#ofProcess(process, Math.max(0, leftMs) + chance.between(0, 20), () => {
        upload.state = "aborted";
        opened.abort("timeout");
        if (sent !== null) this.#purse?.failed(sent, process);
      });
      return;
    }
    this.#ofProcess(process, delayMs, () => {
      if (intent === "abort") {
        upload.state = "aborted";
        opened.abort(chance.pick(["client-gone", "too-large"]));
        if (sent !== null) this.#purse?.failed(sent, process);
        return;
      }
      const hash = intent === "wrong hash" ? new Uint8Array(32) : hashOf(media);
      void opened.complete(media, hash).then((outcome) => {
        // Its payment was good: what is refused now is the upload.
        if (sent !== null) money?.checker.answered({ ...sent, isHonest: false }, outcome, process);
        if (outcome.type === "accepted") this.#accepted(upload, outcome);
        else {
          upload.state = "refused";
          if (sent !== null) this.#purse?.failed(sent, process);
        }
      });
    });
  }

  /** The early 200 went out; now the gateway waits, or does not. */
  #accepted(upload: Upload, accepted: AcceptedSegment): void {
    const { chance, time, disk, problems } = this.#world;
    upload.state = "accepted";
    const known = disk.reader.eventsOf(`segment:${upload.segmentId}`).map(({ event }) => event.type);
    if (!known.includes("SegmentReceived") && !known.includes("SegmentFailed")) {
      problems.push(`${upload.segmentId}: the early 200 went out before the acceptance was durable`);
    }
    const tell = (outcome: "sent" | "client-gone"): void => {
      upload.told = outcome;
      upload.toldMs = time.nowMs;
      accepted.delivered(outcome);
    };
    void accepted.result.then((bytes) => {
      this.#answered(upload, bytes);
      const isGone = chance.isTrue(0.08);
      const delayMs = chance.pick([0, 1, chance.between(0, 200), chance.between(0, 2_000)]);
      this.#ofProcess(upload.process, delayMs, () => tell(isGone ? "client-gone" : "sent"));
      this.#settlePurse(upload, bytes, isGone);
      if (!isGone) this.#fetch(upload, bytes);
    });
  }

  /** The gateway's own account of the payment, now that it knows what became of it. */
  #settlePurse({ sent, process }: Upload, bytes: Uint8Array, isGone: boolean): void {
    if (sent === null || this.#purse === null) return;
    const { result, info } = fromBinary(TranscodeResultSchema, bytes);
    if (isGone || result.case !== "data") this.#purse.failed(sent, process);
    else {
      const pixels = result.value.segments.reduce((sum, each) => sum + each.pixels, 0n);
      this.#purse.delivered(sent, process, pixels, info);
    }
  }

  /** Whatever the gateway reads must be in the log by then. */
  #answered(upload: Upload, bytes: Uint8Array): void {
    const { disk, problems } = this.#world;
    const { segmentId } = upload;
    const { result } = fromBinary(TranscodeResultSchema, bytes);
    if (upload.answer !== null) problems.push(`${segmentId}: answered twice`);
    upload.state = "answered";
    const text = result.case === "error" ? result.value : "";
    upload.answer = result.case === "data" ? { type: "data" } : { type: "error", text };
    const events = disk.reader.eventsOf(`segment:${segmentId}`).map(({ event }) => event);
    const failed = events.find(({ type }) => type === "SegmentFailed") as { text?: string } | undefined;
    if (result.case === "data") {
      if (!events.some(({ type }) => type === "SegmentTranscoded")) {
        problems.push(`${segmentId}: a result went out before it was durable`);
      }
      if (failed !== undefined) problems.push(`${segmentId}: a result went out for a failed segment`);
    } else if (failed?.text !== text) {
      problems.push(`${segmentId}: told \`${text}\`, but the log says \`${failed?.text}\``);
    }
  }

  /** Fetches what the answer promises, at once: it must be there. */
  #fetch(upload: Upload, bytes: Uint8Array): void {
    const { result } = fromBinary(TranscodeResultSchema, bytes);
    if (result.case !== "data") return;
    for (const { url } of result.value.segments) {
      const path = new URL(url).pathname.replace("/stream/", "");
      if (upload.process.node.readRendition(path) === null) {
        this.#world.problems.push(`${upload.segmentId}: ${path} was promised and is not there`);
      } else upload.process.node.renditionServed(path);
    }
  }

  /** Does something with a connection, if the process at its other end still lives. */
  #ofProcess(process: NodeProcess, delayMs: number, run: () => void): void {
    this.#world.time.schedule(delayMs, process.owner, run);
  }
}
