import { readListener, readNodes, readOperatorAddress, readService, readServiceUri } from "./addressRules.ts";
import { readChain } from "./chainRules.ts";
import type { Config, LogConfig, StorageConfig, WorkersConfig } from "./config.ts";
import type { Findings } from "./findings.ts";
import type { FlagName, FlagSource, FlagValues } from "./flagTable.ts";
import type { Mistake } from "./mistake.ts";
import { offchainNetwork } from "./networks.ts";
import { readPricing } from "./pricingRules.ts";
import type { ReadFile } from "./readFlags.ts";
import { readSecret } from "./readSecret.ts";
import { Secret } from "./secret.ts";

/** What the rules see: the flags, where they came from, and the two outside facts they need. */
export type RuleInput = {
  readonly values: FlagValues;
  readonly sources: ReadonlyMap<FlagName, FlagSource>;
  readonly readFile: ReadFile;
  readonly homeDir: string;
};

/**
 * Makes the {@link Config} of a solo orchestrator from parsed flags, or says everything that is in the
 * way. When `mistakes` is not empty, `config` holds stand-ins and must not be used.
 */
export function buildConfig(input: RuleInput): { readonly config: Config } & Findings {
  const findings: Findings = { mistakes: [], notices: [] };
  const { values } = input;
  checkRole(input, findings);
  const service = readService(values, findings);
  const listener = readListener(values, service, findings);
  const serviceUri = readServiceUri(values, service, listener);
  const storage = readStorage(input, findings);
  const config: Config = {
    listener,
    operator: { bind: readOperatorAddress(values, listener, findings) },
    node: {
      role: values.redeemer ? "redeemer" : "orchestrator",
      network: values.network,
      serviceUri,
      isServiceUriGiven: values.serviceAddr !== "",
      nodes: readNodes(values, findings),
      maxSessions: readMaxSessions(values, findings),
      authWebhookUrl: readWebhook(values, findings),
      orchSecret: readSecret(values.orchSecret, input.readFile),
      isAvailabilityChecked: values.startupAvailabilityCheck,
      drainTimeoutMs: readDrainTimeout(values, findings),
    },
    chain: readChain(input, storage.dataDir, findings),
    pricing: readPricing(input, findings),
    workers: readWorkers(values, findings),
    storage,
    log: readLog(values, findings),
    telemetry: {
      isMonitored: values.monitor,
      isPerStream: values.metricsPerStream || values.metricsClientIP,
      isClientIpLabelled: values.metricsClientIP,
      accountText: values.ethAcctAddr,
      otlpEndpoint: readOtlpEndpoint(values, findings),
    },
    demo: { isOn: values.demo },
  };
  if ((values.metricsPerStream || values.metricsClientIP) && !values.monitor) {
    findings.notices.push("-metricsPerStream and -metricsClientIP have no effect without -monitor.");
  }
  return { config: deepFreeze(config), ...findings };
}

/** Roles that exist elsewhere only are refused by their own rows in the flag table. */
function checkRole({ values, sources }: RuleInput, { mistakes, notices }: Findings): void {
  if (values.redeemer) {
    checkRedeemer(values, mistakes);
    return;
  }
  if (values.orchestrator && values.transcoder) return;
  if (values.orchestrator && values.orchSecret === "") {
    mistakes.push({
      flag: "orchestrator",
      text: "Running an orchestrator requires an -orchSecret for standalone mode or -transcoder for orchestrator+transcoder mode",
      fix: "Add -transcoder to transcode on this machine.",
      exitCode: 1,
    });
  } else if (values.orchestrator) {
    mistakes.push({
      flag: "orchestrator",
      text: "-orchestrator with -orchSecret but without -transcoder waits for remote transcoders, which cannot attach to Reprise yet",
      fix: "Add -transcoder to transcode on this machine.",
      exitCode: 1,
    });
  } else if (values.transcoder) {
    mistakes.push({
      flag: "transcoder",
      text: "-transcoder without -orchestrator is a remote transcoder, which Reprise cannot be yet",
      fix: "Add -orchestrator for a node that transcodes by itself, or run go-livepeer's `livepeer -transcoder` here.",
      exitCode: 1,
    });
  } else if (sources.has("orchestrator") || sources.has("transcoder")) {
    mistakes.push({
      flag: "orchestrator",
      text: "No services enabled; must be at least one of -gateway, -transcoder, -aiWorker, -orchestrator, -redeemer, -reward or -initializeRound",
      fix: "Take -orchestrator=false and -transcoder=false out: without a role Reprise is an orchestrator that transcodes.",
      exitCode: 2,
    });
  } else if (
    !values.gateway &&
    !values.broadcaster &&
    !values.aiWorker &&
    !values.redeemer &&
    !values.remoteSigner
  ) {
    // On purpose unlike go-livepeer, which stops here with "No services enabled": our start asks no questions.
    notices.push("No role was given: running as an orchestrator that transcodes on this machine.");
  }
}

/** On purpose unlike go-livepeer, where both roles in one process start and do not work. */
function checkRedeemer(values: FlagValues, mistakes: Mistake[]): void {
  const refuse = (text: string, fix: string): void => {
    mistakes.push({ flag: "redeemer", text, fix, exitCode: 1 });
  };
  if (values.orchestrator || values.transcoder) {
    refuse(
      "-redeemer is a role of its own",
      "Take -redeemer out: an orchestrator redeems its tickets itself. Or start the redeemer apart.",
    );
  }
  if (values.network === offchainNetwork) {
    refuse("-redeemer needs a chain", "Say which, such as -network arbitrum-one-mainnet.");
  }
  if (values.redeemerAddr !== "") {
    refuse(
      "-redeemer and -redeemerAddr exclude each other",
      "Take -redeemerAddr out: it is for orchestrators.",
    );
  }
  if (!values.redeem) refuse("-redeemer with -redeem=false has nothing to do", "Take -redeem=false out.");
}

function readMaxSessions(values: FlagValues, { mistakes }: Findings): number {
  const text = values.maxSessions;
  const isNumber = /^[+-]?\d{1,15}$/.test(text);
  if (isNumber && Number(text) > 0) return Number(text);
  const isAuto = text === "auto";
  // Without -transcoder the limit would follow remote transcoders: the role rule has already said that.
  if (isAuto && values.orchestrator && !values.transcoder) return 1;
  mistakes.push({
    flag: "maxSessions",
    text: isAuto
      ? "-maxSessions 'auto' cannot be used when both -orchestrator and -transcoder are specified"
      : "-maxSessions must be 'auto' or greater than zero",
    fix: "Give a whole number above 0. Reprise measures what this machine can do and admits no more than that anyway.",
    exitCode: 1,
  });
  return 1;
}

/** Source: go-livepeer cmd/livepeer/starter/starter.go, `Error setting auth webhook URL`. */
function readWebhook(values: FlagValues, { mistakes }: Findings): Secret | null {
  const text = values.authWebhookUrl;
  if (text === "") return null;
  const isUrl = URL.canParse(text);
  if (isUrl && /^https?:$/.test(new URL(text).protocol)) return new Secret(text);
  mistakes.push({
    flag: "authWebhookUrl",
    text: `Error setting auth webhook URL ${isUrl ? "URL should be HTTP or HTTPS" : `parse ${JSON.stringify(text)}: invalid URI for request`}`,
    fix: "Give a whole http or https URL, such as -authWebhookUrl https://auth.example/check.",
    exitCode: 1,
  });
  return null;
}

function readDrainTimeout(values: FlagValues, { mistakes }: Findings): number {
  if (values.drainTimeout >= 0) return values.drainTimeout;
  mistakes.push({
    flag: "drainTimeout",
    text: "-drainTimeout must not be negative",
    fix: "Give a duration such as 30s; 0 stops without waiting.",
    exitCode: 1,
  });
  return 0;
}

function readWorkers(values: FlagValues, { mistakes }: Findings): WorkersConfig {
  if (values.nvidia !== "" && values.netint !== "") {
    mistakes.push({
      flag: "netint",
      text: "both -netint and -nvidia arguments specified, this is not supported",
      fix: "Keep -nvidia and take -netint out.",
      exitCode: 1,
    });
  }
  const isCountGood = values.workers >= 0 && values.workers <= 1_024;
  if (!isCountGood) {
    mistakes.push({
      flag: "workers",
      text: `-workers must be between 0 and 1024, got ${values.workers}`,
      fix: "Give the number of worker processes, or 0 to let Reprise choose.",
      exitCode: 1,
    });
  }
  return {
    nvidia: readNvidia(values.nvidia, mistakes),
    isTranscoderTested: values.testTranscoder,
    hevcDecoding: values.hevcDecoding,
    processCount: isCountGood && values.workers > 0 ? values.workers : null,
    pixelsPerSecond: readCapacity(values.capacity, mistakes),
  };
}

function readNvidia(text: string, mistakes: Mistake[]): readonly string[] | "all" | null {
  if (text === "") return null;
  if (text === "all") return "all";
  const indices = text.split(",").map((index) => index.trim());
  if (indices.every((index) => /^\d{1,3}$/.test(index))) return [...new Set(indices)];
  mistakes.push({
    flag: "nvidia",
    text: `Error while parsing '-nvidia ${text}' flag: GPU indices are whole numbers`,
    fix: "Give indices separated by commas, such as -nvidia 0,1, or -nvidia all; leave it out to use the CPU.",
    exitCode: 2,
  });
  return null;
}

function readCapacity(text: string, mistakes: Mistake[]): number | null {
  if (text === "auto") return null;
  const value = /^\d+(?:\.\d+)?(?:[eE]\+?\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 1 && value <= Number.MAX_SAFE_INTEGER) return Math.floor(value);
  mistakes.push({
    flag: "capacity",
    text: `-capacity must be auto or a number of pixels per second, got ${text}`,
    fix: "Take it out to let Reprise measure it, or give a number such as 27648000 (one 720p30 stream).",
    exitCode: 1,
  });
  return null;
}

/** `$HOME/.reprise/<network>`: apart from go-livepeer's own folder, so that neither program meets the other's files. */
function readStorage({ values, homeDir }: RuleInput, { mistakes }: Findings): StorageConfig {
  const objectStoreUrl = readObjectStore(values, mistakes);
  if (values.dataDir !== "") return { dataDir: values.dataDir, objectStoreUrl };
  if (homeDir === "") {
    mistakes.push({
      flag: "dataDir",
      text: "There is no home folder to put the data in",
      fix: "Give the folder: -dataDir <path>.",
      exitCode: 1,
    });
  }
  return { dataDir: `${homeDir.replace(/\/+$/, "")}/.reprise/${values.network}`, objectStoreUrl };
}

/**
 * The scheme is judged here, with all other mistakes; the rest of the URL by the store itself. The text never
 * holds the URL, because the URL holds keys.
 */
function readObjectStore(values: FlagValues, mistakes: Mistake[]): Secret | null {
  const text = values.objectStore;
  if (text === "") return null;
  const scheme = /^([a-z0-9+]{1,20}):\/\//.exec(text)?.[1] ?? "";
  if (["s3", "s3+http", "s3+https", "gs"].includes(scheme)) return new Secret(text);
  mistakes.push({
    flag: "objectStore",
    text: `Error creating object store driver: unrecognized OS scheme: ${scheme}`,
    fix: "Give s3://KEY:SECRET@REGION/BUCKET, s3+https://KEY:SECRET@HOST/BUCKET or gs://BUCKET?keyfile=PATH, or leave it out.",
    exitCode: 1,
  });
  return null;
}

function readLog(values: FlagValues, { mistakes, notices }: Findings): LogConfig {
  // A verbosity that is no number must not keep a node from starting: go-livepeer ignores it in silence.
  const isNumber = /^[+-]?\d{1,9}$/.test(values.v);
  if (!isNumber) notices.push(`-v ${values.v} is not a number: using 3.`);
  const format = values.logFormat;
  if (format !== "text" && format !== "json") {
    mistakes.push({
      flag: "logFormat",
      text: `-logFormat must be text or json, got ${format}`,
      fix: "Write -logFormat text for people or -logFormat json for machines.",
      exitCode: 1,
    });
  }
  return { verbosity: isNumber ? Number(values.v) : 3, format: format === "json" ? "json" : "text" };
}

function readOtlpEndpoint(values: FlagValues, { mistakes }: Findings): Secret | null {
  const text = values.otlpEndpoint;
  if (text === "") return null;
  if (URL.canParse(text) && /^https?:$/.test(new URL(text).protocol)) return new Secret(text);
  mistakes.push({
    flag: "otlpEndpoint",
    text: "-otlpEndpoint is not an http or https URL",
    fix: "Give the collector's base URL, such as -otlpEndpoint http://127.0.0.1:4318.",
    exitCode: 1,
  });
  return null;
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) deepFreeze(inner);
  }
  return value;
}
