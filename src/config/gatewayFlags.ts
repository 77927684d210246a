import { accepted, flagsOf, refused } from "./flag.ts";

const gateway = flagsOf("gateway");
const signer = flagsOf("signer");

const ofGateways = accepted("has no effect on an orchestrator: it is a setting of gateways");
const ofSigners = accepted("has no effect on an orchestrator: it is a setting of remote signers");
const runGateway = refused(
  "Reprise is an orchestrator: run go-livepeer's `livepeer -gateway` as the gateway and point its -orchAddr here.",
);

/** Flags of go-livepeer that only gateways and remote signers use: known, so that no command line is a riddle. */
export const gatewayFlags = {
  gateway: gateway.toggle(false, runGateway, "run a gateway"),
  broadcaster: gateway.toggle(false, runGateway, "old name of -gateway"),
  rtmpAddr: gateway.text("", ofGateways, "address of the RTMP port"),
  verifierUrl: gateway.text("", ofGateways, "verifier of results", { field: "VerifierURL" }),
  verifierPath: gateway.text("", ofGateways, "folder shared with the verifier"),
  localVerify: gateway.optionalToggle(true, ofGateways, "check pixels and signatures of results"),
  httpIngest: gateway.optionalToggle(true, ofGateways, "take streams by HTTP"),
  orchWebhookUrl: gateway.text("", ofGateways, "source of the list of orchestrators", {
    field: "OrchWebhookURL",
    secrecy: "url",
  }),
  extraNodes: gateway.count(0, ofGateways, "how many further advertised instances to use"),
  orchBlocklist: gateway.text("", ofGateways, "orchestrators never to use", { field: "OrchBlacklist" }),
  orchMinLivepeerVersion: gateway.text("", ofGateways, "lowest version of orchestrators"),
  selectRandFreq: gateway.float(0.3, ofGateways, "weight of chance in the selection", {
    field: "SelectRandWeight",
  }),
  selectStakeWeight: gateway.float(0.7, ofGateways, "weight of the stake in the selection"),
  selectPriceWeight: gateway.float(0, ofGateways, "weight of the price in the selection"),
  selectPriceExpFactor: gateway.float(100, ofGateways, "how sharply the price counts in the selection"),
  orchPerfStatsUrl: gateway.text("", ofGateways, "source of performance scores", {
    field: "OrchPerfStatsURL",
    secrecy: "url",
  }),
  region: gateway.text("", ofGateways, "region of the performance scores"),
  maxPricePerUnit: gateway.text("0", ofGateways, "highest price of transcoding"),
  maxPricePerCapability: gateway.text("", ofGateways, "highest prices of AI models, JSON or a file with it", {
    isFileOrLiteral: true,
  }),
  ignoreMaxPriceIfNeeded: gateway.toggle(
    false,
    ofGateways,
    "pay more than the highest price if nobody is cheaper",
  ),
  minPerfScore: gateway.float(0, ofGateways, "lowest performance score"),
  discoveryTimeout: gateway.duration(500, ofGateways, "how long to wait for orchestrators"),
  gatewayHost: gateway.text("", ofGateways, "public host name told to services"),
  transcodingOptions: gateway.text("P240p30fps16x9,P360p30fps16x9", ofGateways, "renditions to ask for"),
  maxAttempts: gateway.count(3, ofGateways, "tries for each segment"),
  currentManifest: gateway.toggle(false, ofGateways, "serve the running stream under a fixed name"),
  aiProcessingRetryTimeout: gateway.duration(2_000, ofGateways, "how long to try to start an AI request", {
    field: "AIProcessingRetryTimeout",
  }),
  mediaMTXApiPassword: gateway.text("", ofGateways, "password of the media server", { secrecy: "secret" }),
  liveAIAuthApiKey: gateway.text("", ofGateways, "key for the authentication of live AI streams", {
    secrecy: "secret",
  }),
  liveAIHeartbeatURL: gateway.text("", ofGateways, "target of the heartbeat", { secrecy: "url" }),
  liveAIHeartbeatHeaders: gateway.text("", ofGateways, "headers of the heartbeat", { secrecy: "secret" }),
  liveAIHeartbeatInterval: gateway.duration(5_000, ofGateways, "interval of the heartbeat"),
  liveAIAuthWebhookUrl: gateway.text("", ofGateways, "webhook that admits live AI streams", {
    field: "LiveAIAuthWebhookURL",
    secrecy: "url",
  }),
  liveOutSegmentTimeout: gateway.duration(0, ofGateways, "wait for output segments, 0 waits for ever"),
  liveAISaveNSegments: gateway.count(10, ofGateways, "segments kept for a look at them"),
  liveAICapRefreshModels: gateway.text("", ofGateways, "no effect anywhere any more"),
  liveAICapReportInterval: gateway.duration(1_500_000, ofGateways, "interval of capacity reports"),
  maxTicketEV: gateway.text("3000000000000", ofGateways, "highest expected value of a ticket in wei"),
  maxTotalEV: gateway.text("20000000000000", ofGateways, "highest expected value of a payment in wei"),
  depositMultiplier: gateway.count(1, ofGateways, "bounds the face value that a sender takes"),
  recordStore: gateway.text("", ofGateways, "object store of recordings", {
    field: "Recordstore",
    secrecy: "url",
  }),
  FVfailGsbucket: gateway.text("", ofGateways, "bucket for segments that failed verification", {
    field: "FVfailGsBucket",
  }),
  FVfailGskey: gateway.text("", ofGateways, "key of that bucket", {
    field: "FVfailGsKey",
    secrecy: "secret",
  }),
  remoteSignerUrl: gateway.text("", ofGateways, "remote signer to use", { secrecy: "url" }),
  remoteSignerHeaders: gateway.text("", ofGateways, "headers for the remote signer", { secrecy: "secret" }),
  remoteSigner: signer.toggle(
    false,
    refused("Reprise cannot be a remote signer: run go-livepeer's `livepeer -remoteSigner` for that role."),
    "run a remote signer",
  ),
  remoteSignerWebhookUrl: signer.text("", ofSigners, "webhook of the remote signer", {
    field: "RemoteSignerWebhookURL",
    secrecy: "url",
  }),
  remoteSignerWebhookHeaders: signer.text("", ofSigners, "headers of that webhook", { secrecy: "secret" }),
  remoteSignerAllowNoAuth: signer.toggle(
    false,
    ofSigners,
    "let a remote signer run in the open without authentication",
  ),
  remoteDiscovery: signer.toggle(false, ofSigners, "let the remote signer do the discovery"),
} as const;
