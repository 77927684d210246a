import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "bun:test";
import { file_lp_rpc } from "../../../src/protocol/gen/lp_rpc_pb.ts";

const root = join(import.meta.dir, "../../..");

test("the generated code is in step with proto/lp_rpc.proto", () => {
  // The generator stamps the hash of its input; whoever edits the .proto and forgets to generate fails here.
  const proto = readFileSync(join(root, "proto/lp_rpc.proto"));
  const generated = readFileSync(join(root, "src/protocol/gen/lp_rpc_pb.ts"), "utf8");
  const hash = createHash("sha256").update(proto).digest("hex");
  expect(generated.trimEnd().endsWith(`// proto-sha256: ${hash}`)).toBe(true);
});

test("field numbers and names are those of the network", () => {
  // A spot check against video sheet 1.2, written down a second time by hand.
  const numbers = (name: string) => {
    const message = file_lp_rpc.messages.find((some) => some.name === name);
    return Object.fromEntries((message?.fields ?? []).map((field) => [field.name, field.number]));
  };
  expect(numbers("SegData")).toEqual({
    manifestId: 1,
    seq: 2,
    hash: 3,
    profiles: 4,
    sig: 5,
    duration: 6,
    capabilities: 7,
    auth_token: 8,
    calc_perceptual_hash: 10,
    storage: 32,
    fullProfiles: 33,
    fullProfiles2: 34,
    fullProfiles3: 35,
    segment_parameters: 37,
    ForceSessionReinit: 38,
  });
  expect(numbers("OrchestratorInfo")).toEqual({
    transcoder: 1,
    ticket_params: 2,
    price_info: 3,
    address: 4,
    capabilities: 5,
    auth_token: 6,
    hardware: 7,
    storage: 32,
    capabilities_prices: 33,
    nodes: 34,
  });
  expect(numbers("TranscodeResult")).toEqual({ seq: 1, error: 2, data: 3, info: 16 });
  expect(numbers("NotifySegment")).toEqual({ url: 1, segData: 3, taskId: 16, profiles: 17, orchId: 18 });
  expect(file_lp_rpc.services.map((service) => service.typeName)).toEqual([
    "net.Orchestrator",
    "net.Transcoder",
    "net.AIWorker",
    "net.TicketRedeemer",
  ]);
});
