import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodedPixels } from "../../../src/demo/decodedPixels.ts";
import { runDemo } from "../../../src/demo/demo.ts";
import { GatewayClient, GrpcStatusError } from "../../../src/demo/gatewayClient.ts";
import { presetProfile } from "../../../src/protocol/presets.ts";
import { ensureCertificate } from "../../../src/server/certificate.ts";
import { type PeerBehaviour, startPeer } from "../../support/gatewayClientPeer.ts";
import { anyMedia, generatedMedia, generatedMediaBytes } from "../../support/media.ts";

/*
 * Goal: the demonstration finds every lie and every fault, or its success says nothing. Method: a stand-in for the
 * orchestrator that answers what we choose; that a real node passes is shown in `start.test.ts`.
 */

setDefaultTimeout(120_000);

const dir = mkdtempSync(join(tmpdir(), "reprise-demo-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const tls = await ensureCertificate(dir, "127.0.0.1");
const rendition = await generatedMediaBytes("gen-tiny-180p.ts");
const honestPixels = 6 * 320 * 180;

async function demoAgainst(behaviour: Partial<PeerBehaviour>): Promise<{ ok: boolean; text: string }> {
  const peer = await startPeer({ renditionCount: 0, pixels: honestPixels, rendition, ...behaviour }, tls);
  const printed: string[] = [];
  try {
    const { ok } = await runDemo({
      serviceUri: peer.serviceUri,
      dataDir: dir,
      seconds: 2,
      print: (line) => printed.push(line),
    });
    return { ok, text: printed.join("\n") };
  } finally {
    peer.close();
  }
}

/** The demonstration asks for two or three renditions, by the speed of the machine, which may change in between. */
async function withMatchingCount(behaviour: Partial<PeerBehaviour>): Promise<{ ok: boolean; text: string }> {
  for (let tries = 0; tries < 20; tries += 1) {
    const renditionCount = tries % 2 === 0 ? 3 : 2;
    const run = await demoAgainst({ ...behaviour, renditionCount });
    if (!run.text.includes(`with ${renditionCount} renditions`)) return run;
  }
  throw new Error("The demonstration never asked for as many renditions as it was given.");
}

test("renditions that hold the claimed pixels pass", async () => {
  const { ok, text } = await withMatchingCount({});
  expect(text).toContain("Demo passed");
  expect(ok).toBe(true);
});

test("one pixel too many in the claim is found", async () => {
  const { ok, text } = await withMatchingCount({ pixels: honestPixels + 1 });
  expect(ok).toBe(false);
  expect(text).toContain(`billed ${honestPixels + 1} pixels, decoded ${honestPixels}`);
});

test("a rendition that does not decode is found", async () => {
  const { ok, text } = await withMatchingCount({ rendition: await generatedMediaBytes("gen-garbage.ts") });
  expect(ok).toBe(false);
  expect(text).toContain("FAULT");
});

test("no picture and no claimed pixels are no success", async () => {
  const { ok } = await withMatchingCount({
    rendition: await generatedMediaBytes("gen-audio-only.ts"),
    pixels: 0,
  });
  expect(ok).toBe(false);
});

test("a missing rendition is found", async () => {
  const { ok, text } = await demoAgainst({ renditionCount: 1 });
  expect(ok).toBe(false);
  expect(text).toContain("came back with 1 renditions");
});

test("a failed segment is shown with its text", async () => {
  const { ok, text } = await demoAgainst({ segmentError: "OrchestratorBusy" });
  expect(ok).toBe(false);
  expect(text).toContain("segment 0: failed: OrchestratorBusy");
});

test("a refusal of the orchestrator reaches the caller word for word", async () => {
  const outcome = await demoAgainst({ rpcRefusal: "Invalid orchestrator request: OrchestratorCapped" }).catch(
    (error: unknown) => error,
  );
  expect(outcome).toBeInstanceOf(GrpcStatusError);
  expect(outcome).toMatchObject({
    grpcStatus: 2,
    grpcMessage: "Invalid orchestrator request: OrchestratorCapped",
  });
});

// An orchestrator could otherwise make the client fetch from addresses that only the client reaches.
test("a rendition on another origin is not fetched", async () => {
  let requests = 0;
  const elsewhere = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response(`${++requests}`) });
  const { ok, text } = await withMatchingCount({ renditionOrigin: `http://127.0.0.1:${elsewhere.port}` });
  await elsewhere.stop(true);
  expect(ok).toBe(false);
  expect(text).toContain("is not on the orchestrator");
  expect(requests).toBe(0);
});

test("both protocols carry a segment, and an answer that is no message is an error", async () => {
  const peer = await startPeer({ renditionCount: 1, pixels: 1, rendition, segmentError: "text" }, tls);
  const profile = presetProfile("P144p30fps16x9");
  for (const segmentHttp of ["h1", "h2"] as const) {
    const client = new GatewayClient({
      serviceUri: peer.serviceUri,
      segmentHttp,
      isGrpcConnectionKept: true,
    });
    const { authToken } = await client.getOrchestrator();
    expect(authToken?.sessionId).toBe("0badcafe");
    const profiles = profile === null ? [] : [profile];
    const submission = { authToken, manifestId: "m", seq: 0, media: rendition, durationMs: 200, profiles };
    const answer = await client.submitSegment(submission);
    expect(answer).toMatchObject({ type: "answer", result: { result: { case: "error", value: "text" } } });
    await client.close();
  }
  peer.close();
  const gone = new GatewayClient({ serviceUri: peer.serviceUri, callTimeoutMs: 2_000 });
  expect(await gone.getOrchestrator().catch((error: Error) => error.name)).toBe("GatewayCallError");
});

test("an independent decoder counts pixels of changing size exactly", async () => {
  expect(await decodedPixels(await anyMedia("gen-size-change.ts"))).toEqual({
    frames: 60,
    pixels: 30 * 640 * 360 + 30 * 320 * 180,
  });
  expect(await decodedPixels(await generatedMedia("gen-tiny-180p.ts"))).toEqual({
    frames: 6,
    pixels: honestPixels,
  });
});
