import { accepted, flagsOf, onChain, refused, works } from "./flag.ts";

const node = flagsOf("node");
const transcoding = flagsOf("transcoding");
const monitoring = flagsOf("monitoring");
const own = flagsOf("own");

const noEvents = accepted("has no effect: an orchestrator sends no events to a broker");

/** Flags of go-livepeer that every orchestrator has a use for. */
export const nodeFlags = {
  network: node.text("offchain", works, "network: offchain, or a chain's name"),
  orchestrator: node.toggle(
    false,
    works,
    "run an orchestrator; with -transcoder it transcodes on this machine",
  ),
  transcoder: transcoding.toggle(false, works, "transcode on this machine"),
  serviceAddr: node.text(
    "",
    works,
    "address that gateways reach this node at, host:port or URL; none advertises only -nodes",
  ),
  httpAddr: node.text("", works, "address the service port listens on; http:// in front means clear text"),
  cliAddr: node.text("", works, "address of the operator port"),
  nodes: node.text("", works, "further instances to advertise, separated by commas"),
  dataDir: node.text("", works, "folder of the log and the keys", { field: "Datadir" }),
  config: node.text("", works, "file with settings, one `name value` on each line", { field: null }),
  startupAvailabilityCheck: node.toggle(true, works, "reach our own service address once after the start", {
    field: "TestOrchAvail",
  }),
  authWebhookUrl: node.text("", works, "webhook that admits gateways and may set their price", {
    field: "AuthWebhookURL",
    secrecy: "url",
  }),
  orchSecret: node.text(
    "",
    accepted("has no effect yet: remote transcoders, which would show it, cannot attach to Reprise yet"),
    "secret shared with remote transcoders, or a file with it",
    { secrecy: "secret", isFileOrLiteral: true },
  ),
  objectStore: node.text(
    "",
    works,
    "object store for renditions: s3://KEY:SECRET@REGION/BUCKET, s3+https://KEY:SECRET@HOST/BUCKET or gs://BUCKET?keyfile=PATH",
    { field: "Objectstore", secrecy: "url" },
  ),
  orchAddr: node.text(
    "",
    accepted("has no effect: it tells remote workers and gateways where orchestrators are"),
    "orchestrators that a remote worker or a gateway connects to",
  ),
  v: node.text("3", works, "verbosity of the log: up to 4 info, 5 debug, 6 and more trace", { field: null }),
  version: node.toggle(false, works, "print the version and stop", { field: null }),
  j: node.toggle(false, works, "print the settings as JSON for a process manager and stop", { field: null }),

  maxSessions: transcoding.text("10", works, "most sessions at a time; measured capacity may admit fewer"),
  nvidia: transcoding.text("", works, "Nvidia GPUs to transcode on: indices separated by commas, or all"),
  netint: transcoding.text(
    "",
    refused("NetInt devices are not supported: use -nvidia, or leave both out to transcode on the CPU."),
    "NetInt devices to transcode on",
  ),
  testTranscoder: transcoding.toggle(true, works, "try each GPU at the start and advertise what it can do"),
  hevcDecoding: transcoding.optionalToggle(
    false,
    works,
    "force HEVC decoding on or off; unset: by what the device can do",
  ),

  monitor: monitoring.toggle(false, works, "collect metrics and serve /metrics on the operator port"),
  metricsPerStream: monitoring.toggle(false, works, "label metrics with stream and sender"),
  metricsClientIP: monitoring.toggle(
    false,
    works,
    "label metrics with the client's address, implies -metricsPerStream",
    {
      field: "MetricsExposeClientIP",
    },
  ),
  kafkaBootstrapServers: monitoring.text("", noEvents, "event broker"),
  kafkaUser: monitoring.text("", noEvents, "user at the event broker", { field: "KafkaUsername" }),
  kafkaPassword: monitoring.text("", noEvents, "password at the event broker", { secrecy: "secret" }),
  kafkaGatewayTopic: monitoring.text("", noEvents, "topic of the events"),
  metadataQueueUri: monitoring.text("", noEvents, "message broker for events", { secrecy: "url" }),
  metadataAmqpExchange: monitoring.text("lp_golivepeer_metadata", noEvents, "exchange of the message broker"),
  metadataPublishTimeout: monitoring.duration(1_000, noEvents, "time limit of publishing an event"),
} as const;

/** Flags that only Reprise has. */
export const ownFlags = {
  demo: own.toggle(false, works, "play a generated stream against this node, show the result and stop"),
  logFormat: own.text("text", works, "form of the log lines: text or json"),
  otlpEndpoint: own.text(
    "",
    works,
    "OTLP/HTTP collector for traces, for example http://127.0.0.1:4318; empty is off",
    {
      secrecy: "url",
    },
  ),
  capacity: own.text("auto", works, "pixels per second this node may sell; auto measures it at the start"),
  workers: own.count(0, works, "transcode worker processes; 0 chooses by CPUs and GPUs"),
  maxGatewayLoss: own.text(
    "20000000000000000",
    onChain(works),
    "wei that may be lost with one gateway, in winners beyond its funds or in debts, before it is refused",
  ),
  redeem: own.toggle(
    true,
    onChain(works),
    "redeem winning tickets; false keeps them for a redeemer elsewhere",
  ),
  redeemGas: own.big(
    0n,
    onChain(works),
    "gas that redeeming one ticket is taken to cost; 0 is the network's figure",
  ),
  confirmations: own.count(
    32,
    onChain(works),
    "blocks on top of a transaction's own after which it counts as final",
  ),
  rewardAcctAddr: own.text(
    "",
    onChain(works),
    "account in the key store that calls reward; the orchestrator has to have named it; empty is the own account",
  ),
  rewardPassword: own.text(
    "",
    onChain(works),
    "pass phrase of that key, or a file with it; empty is -ethPassword",
    {
      secrecy: "secret",
      isFileOrLiteral: true,
    },
  ),
  redeemerAcctAddr: own.text(
    "",
    onChain(works),
    "account in the key store that pays gas and redeems tickets; empty is the own account",
  ),
  redeemerPassword: own.text(
    "",
    onChain(works),
    "pass phrase of that key, or a file with it; empty is -ethPassword",
    { secrecy: "secret", isFileOrLiteral: true },
  ),
  aiServiceRegistryAddr: own.text(
    "",
    onChain(works),
    "registry that -aiServiceRegistry means; empty is the one on arbitrum-one-mainnet",
  ),
  drainTimeout: own.duration(30_000, works, "how long a stop waits for running segments"),
} as const;
