import type { HostPort } from "./addresses.ts";
import type { Secret } from "./secret.ts";

/** Everything an operator chose, checked and complete. Frozen; each room gets its own slice. */
export type Config = {
  readonly listener: ListenerConfig;
  readonly operator: OperatorConfig;
  readonly node: NodeConfig;
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
  /** `offchain`: the only network so far. */
  readonly network: "offchain";
  /** What gateways are told, without a slash at the end; "" advertises only `nodes` (`-serviceAddr none`). */
  readonly serviceUri: string;
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
