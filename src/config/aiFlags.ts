import { accepted, flagsOf, onChain, refused, works } from "./flag.ts";

const ai = flagsOf("ai");

const noAi = accepted("has no effect yet: Reprise does not serve AI jobs or live runners yet");
const notYet = refused(
  "Reprise does not serve AI jobs or live runners yet: leave it out, or run go-livepeer for them.",
);

/** Flags of go-livepeer for AI jobs and live runners. */
export const aiFlags = {
  aiWorker: ai.toggle(
    false,
    refused(
      "Reprise cannot be an AI worker yet: leave it out, or run go-livepeer's `livepeer -aiWorker` for that role.",
    ),
    "run AI containers",
    { field: "AIWorker" },
  ),
  aiModels: ai.text("", notYet, "file with the AI models to serve", { field: "AIModels" }),
  aiModelsDir: ai.text("", noAi, "folder of the model weights", { field: "AIModelsDir" }),
  aiRunnerImage: ai.text("livepeer/ai-runner:latest", noAi, "container image of the runners (old way)", {
    field: "AIRunnerImage",
  }),
  aiRunnerImageOverrides: ai.text("", noAi, "container images of single pipelines, JSON", {
    field: "AIRunnerImageOverrides",
  }),
  aiRunnerContainersPerGPU: ai.count(1, noAi, "containers on each GPU", {
    field: "AIRunnerContainersPerGPU",
  }),
  aiVerboseLogs: ai.toggle(false, noAi, "verbose logs of the containers", { field: "AIVerboseLogs" }),
  aiServerless: ai.toggle(false, notYet, "serverless AI worker", { field: "AIServerless" }),
  aiServiceRegistry: ai.toggle(false, onChain(works), "use the service registry of the AI network", {
    field: "AIServiceRegistry",
  }),
  aiMinRunnerVersion: ai.text("[]", noAi, "lowest runner version of single pipelines, JSON", {
    field: "AIMinRunnerVersion",
  }),
  useLiveRunners: ai.toggle(false, notYet, "serve live runners"),
  liveRunnerConfig: ai.text("", notYet, "file with static live runners"),
  liveRunnerProxyUrl: ai.text("", noAi, "public URL pattern of live runners", {
    field: "LiveRunnerProxyURL",
  }),
  liveRunnerAddr: ai.text("", noAi, "base URL that live runners use"),
  liveAITrickleHostForRunner: ai.text("", noAi, "trickle host told to live runners"),
  livePaymentInterval: ai.duration(5_000, noAi, "interval of live payments"),
} as const;
