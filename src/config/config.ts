import type { Rational } from "../protocol/rational.ts";
import type { Hex } from "../shared/brand.ts";
import type { HostPort } from "./addresses.ts";
import type { Secret } from "./secret.ts";

/** Everything an operator chose, checked and complete. Frozen; each room gets its own slice. */
export type Config = {
  readonly listener: ListenerConfig;
  readonly operator: OperatorConfig;
  readonly node: NodeConfig;
  /** Null off-chain. */
  readonly chain: ChainConfig | null;
  /** Null off-chain: there are no payments. */
  readonly pricing: PricingConfig | null;
  readonly workers: WorkersConfig;
  readonly storage: StorageConfig;
  readonly log: LogConfig;
  readonly telemetry: TelemetryConfig;
  readonly demo: DemoConfig;
};

/** The service port: what gateways reach. */
export type ListenerConfig = {
  /** Where to bind. An empty host means all interfaces; IPv6 hosts carry no brackets. */
  readonly bind: HostPort;
  /** False: clear text (HTTP/1.1 and h2c), for `-httpAddr http://…`. */
  readonly isTls: boolean;
  /** The host that the self-signed certificate names: the one of the service address, else the bound one. */
  readonly certificateHost: string;
};

/** The operator port: metrics, status and the calls of `livepeer_cli`. */
export type OperatorConfig = {
  readonly bind: HostPort;
};

/** What the node tells the network, and whom it serves. */
export type NodeConfig = {
  /** A redeemer serves orchestrators instead of gateways. */
  readonly role: "orchestrator" | "redeemer";
  /** `offchain`, or the name of a chain's network. */
  readonly network: string;
  /** What gateways are told, without a slash at the end; "" advertises only `nodes` (`-serviceAddr none`). */
  readonly serviceUri: string;
  /** Whether `-serviceAddr` says so. Otherwise, on a chain, the registry's entry counts once it was read. */
  readonly isServiceUriGiven: boolean;
  /** Further instances, each an https URI, in the order given. */
  readonly nodes: readonly string[];
  /** The cap on sessions at a time; measured capacity may admit fewer. At least 1. */
  readonly maxSessions: number;
  /** Webhook that admits gateways; null admits everybody. May hold a key: never log it whole. */
  readonly authWebhookUrl: Secret | null;
  /** Shared with remote transcoders; null when not given. Not used yet. */
  readonly orchSecret: Secret | null;
  /** Whether to reach our own service address once after the start. */
  readonly isAvailabilityChecked: boolean;
  /** How long a stop waits for running segments, in milliseconds. */
  readonly drainTimeoutMs: number;
};

/** Which chain, through what, and as whom. Accounts are lower-case. */
export type ChainConfig = {
  /** As given with `-network`: never `offchain`. */
  readonly network: string;
  /** JSON-RPC endpoints over http or https, at least one, none twice. May hold keys: never log them whole. */
  readonly urls: readonly Secret[];
  readonly controller: Hex;
  /** The account in the key store, lower-case with `0x`; "" means the only one there. */
  readonly accountText: string;
  /** A folder of key files, or one key file. */
  readonly keystorePath: string;
  /** Pass phrase of the key; null when none was given, which stands for the empty one. */
  readonly password: Secret | null;
  /** The registered account that tickets are made out to; null means our own account. Its key is not needed. */
  readonly recipient: Hex | null;
  /** Another key that calls rewards, where the orchestrator has named one (LIP-118); null means our own account. */
  readonly rewardKey: KeyChoice | null;
  /** Another key that pays gas and redeems tickets; null means our own account. */
  readonly redeemerKey: KeyChoice | null;
  /** How often the chain is read while nothing is under way, in milliseconds. */
  readonly pollMs: number;
  /** Wei per gas, not negative. */
  readonly minGasPrice: bigint;
  /** Wei per gas, not below {@link minGasPrice}; null = no limit. */
  readonly maxGasPrice: bigint | null;
  /** Gas that the redemption of one ticket is taken to cost. */
  readonly redeemGas: bigint;
  /** Price feed contract that converts currencies. */
  readonly priceFeed: Hex;
  /**
   * `auto` (of an orchestrator): rewards are called as soon as the account is registered. `on`: so they are, and an account that is
   * neither the orchestrator nor its reward caller does not start. `off`: never.
   */
  readonly reward: "auto" | "on" | "off";
  /** Whether this node starts rounds that nobody has started. */
  readonly initializeRound: boolean;
  /** Longest random wait before it does, in milliseconds. */
  readonly initializeRoundMaxDelayMs: number;
  /** Whether winning tickets are redeemed here; false keeps them for somebody else. */
  readonly redeem: boolean;
  /** The node that redeems for this one (`-redeemerAddr`); null: nobody does. Then this node redeems nothing itself. */
  readonly remoteRedeemer: HostPort | null;
  /** Gas limit of every transaction; 0 = our own figures. */
  readonly gasLimit: bigint;
  /** How long one attempt of a transaction may wait before its fee is raised, in milliseconds. */
  readonly transactionTimeoutMs: number;
  /** How often the fee of a transaction may be raised. */
  readonly maxTransactionReplacements: number;
  /** Blocks on top of a transaction's own after which it counts as final. */
  readonly confirmations: number;
  /** The registry that service addresses are stored in, when it is not the Controller's: that of the AI network. */
  readonly aiServiceRegistry: Hex | null;
};

/** A further key in the key store of the chain. */
export type KeyChoice = {
  /** Lower-case. */
  readonly account: Hex;
  /** Null = the same as that of the node's own account. */
  readonly password: Secret | null;
};

/** What work costs and what tickets may look like. */
export type PricingConfig = {
  /** For every gateway without a price of its own. */
  readonly base: PriceSetting;
  /** By the gateway's account, lower-case. */
  readonly perGateway: ReadonlyMap<Hex, PriceSetting>;
  /** Whether the cost of redemption is added to the price. */
  readonly isAutoAdjusted: boolean;
  /** Expected value of a ticket, in wei; 0 only when every price is 0. */
  readonly ticketEv: bigint;
  /** Highest face value of a ticket, in wei, not below {@link ticketEv}; 0 = no limit. */
  readonly maxFaceValue: bigint;
  /** Wei that may be lost with one gateway, in winners beyond its funds or in debts, before it is refused. */
  readonly maxGatewayLoss: bigint;
};

/** A price as an operator wrote it. What it is in wei may change with the price feed. */
export type PriceSetting = {
  /** Of `currency`, for `pixelsPerUnit`; not negative. */
  readonly amount: Rational;
  /** "" or `wei`, `eth`, else upper case: a currency that the price feed has to know. */
  readonly currency: string;
  /** Above 0. */
  readonly pixelsPerUnit: Rational;
  /** For people, such as `0.13USD / 1e12`. */
  readonly wording: string;
};

/** Where and with what to transcode. */
export type WorkersConfig = {
  /** GPU indices as given (such as `["0", "1"]`), every GPU there is, or null for the CPU. */
  readonly nvidia: readonly string[] | "all" | null;
  /** Whether each GPU is tried at the start. */
  readonly isTranscoderTested: boolean;
  /** Forces HEVC decoding on or off; null leaves it to what the device can do. */
  readonly hevcDecoding: boolean | null;
  /** How many worker processes; null chooses by CPUs and GPUs. */
  readonly processCount: number | null;
  /** Pixels per second that may be sold; null measures it. */
  readonly pixelsPerSecond: number | null;
};

export type StorageConfig = {
  /** Absolute or relative path; created when absent. Holds `reprise.sqlite3` and the TLS key. */
  readonly dataDir: string;
  /** Where renditions go instead of this node's memory; null keeps them here. Holds keys: never log it. */
  readonly objectStoreUrl: Secret | null;
};

export type LogConfig = {
  /** As given with `-v`; the operator port shows and changes it. */
  readonly verbosity: number;
  readonly format: "text" | "json";
};

export type TelemetryConfig = {
  /** Whether `/metrics` exists. */
  readonly isMonitored: boolean;
  /** Labels `manifest_id` and `sender`. */
  readonly isPerStream: boolean;
  /** Label `client_ip`. Implies `isPerStream`. */
  readonly isClientIpLabelled: boolean;
  /** The account as typed, for the `node_id` label; "" without one. */
  readonly accountText: string;
  /** OTLP/HTTP collector; null means no traces. May hold a key: never log it whole. */
  readonly otlpEndpoint: Secret | null;
};

export type DemoConfig = { readonly isOn: boolean };

/** Source: go-livepeer server default ports, operator sheet 1.3. */
export const servicePortDefault = 8935;
export const operatorPortDefault = 7935;
