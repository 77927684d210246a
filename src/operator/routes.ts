import { formatRational } from "../protocol/rational.ts";
import { type Answer, errorAnswer, jsonAnswer, textAnswer } from "./answer.ts";
import { actionHandlers } from "./actionRoutes.ts";
import { chainReadHandlers } from "./chainReadRoutes.ts";
import { chainRoutes } from "./chainRoutes.ts";
import { chainSettingHandlers } from "./chainSettingRoutes.ts";
import {
  type ChainHandler,
  type Handler,
  type OperatorRequest,
  type Parameters,
  type RouteContext,
  withParameters,
} from "./handler.ts";
import { moneyHandlers } from "./moneyRoutes.ts";
import type { OperatorNode } from "./ports.ts";

/**
 * The profile names that go-livepeer lists, in a fixed order (its own is random).
 *
 * Source: go-livepeer common/videoprofile_ids.go by its `/getAvailableTranscodingOptions`; operator sheet 2.2.
 */
export const transcodingOptions = [
  "P720p60fps16x9",
  "P720p30fps16x9",
  "P720p25fps16x9",
  "P720p30fps4x3",
  "P576p30fps16x9",
  "P576p25fps16x9",
  "P360p30fps16x9",
  "P360p25fps16x9",
  "P360p30fps4x3",
  "P240p30fps16x9",
  "P240p25fps16x9",
  "P240p30fps4x3",
  "P144p30fps16x9",
] as const;

const notGateway = (purpose: string) => errorAnswer(400, `Node must be gateway node to ${purpose}`);

const handlers: Readonly<Record<string, Handler>> = {
  "/status": (_, { node }) => jsonAnswer(nodeStatus(node)),
  "/IsOrchestrator": (_, { node }) => textAnswer(String(node.role !== "redeemer")),
  "/IsRedeemer": (_, { node }) => textAnswer(String(node.role === "redeemer")),
  "/EthChainID": (_, { node }) => textAnswer(String(node.chain?.chainId ?? 0n)),
  "/getLogLevel": (_, { node }) => textAnswer(String(node.verbosity())),
  "/setLogLevel": withParameters(["loglevel"], setLogLevel),
  "/setMaxSessions": withParameters(["maxSessions"], setMaxSessions),
  "/getAvailableTranscodingOptions": () => jsonAnswer(transcodingOptions),
  "/healthz": (_, { node }) => {
    const reason = node.unhealthyReason();
    return reason === null ? textAnswer("") : errorAnswer(503, reason);
  },
  "/metrics": (_, { node }) =>
    node.metrics === null
      ? notFound
      : { status: 200, contentType: node.metrics.contentType, body: node.metrics.expose() },
  // Features of gateways, with what an orchestrator shows for them.
  "/streamID": () => textAnswer("/"),
  "/manifestID": () => textAnswer(""),
  "/localStreams": () => jsonAnswer([]),
  "/getAISessionPoolsInfo": () => jsonAnswer({}),
  "/getBroadcastConfig": () =>
    jsonAnswer({ MaxPrice: null, TranscodingOptions: "P240p30fps4x3,P360p30fps16x9" }),
  "/setBroadcastConfig": () => notGateway("set broadcast config"),
  "/setMaxPriceForCapability": withParameters(
    ["maxPricePerUnit", "pixelsPerUnit", "currency", "pipeline", "modelID"],
    () => notGateway("set max price per capability"),
  ),
  "/getNetworkCapabilities": () => notGateway("get network capabilities"),
  "/registerLiveRunners": ({ method }) =>
    method === "POST"
      ? errorAnswer(404, "live runners are not supported")
      : errorAnswer(405, "Method not allowed"),
  "/debug": () => textAnswer("\n\nLatestPlaylist: <nil>"),
};

/** Routes of a node on a chain. The others of `chainRoutes` are not served there yet. */
const chainHandlers: Readonly<Record<string, ChainHandler>> = {
  ...chainReadHandlers,
  ...chainSettingHandlers,
  ...actionHandlers,
};

/** The answer to a path that does not exist. Source: Go net/http NotFound. */
export const notFound: Answer = errorAnswer(404, "404 page not found");

/** Answers one request. Any method is as good as any other, as in go-livepeer. */
export function answerRequest(request: OperatorRequest, context: RouteContext): Answer | Promise<Answer> {
  const { path } = request;
  if (Object.hasOwn(handlers, path)) return (handlers[path] ?? (() => notFound))(request, context);
  const { money, chain } = context.node;
  const moneyHandler = money === null ? null : moneyHandlers(money)[path];
  if (moneyHandler !== undefined && moneyHandler !== null) return moneyHandler(request, context);
  const chainRoute = Object.hasOwn(chainRoutes, path) ? chainRoutes[path] : undefined;
  if (chainRoute === undefined) return notFound;
  const { isFormFirst, required } = chainRoute;
  if (chain === null) {
    const refuse = () => errorAnswer(500, "missing ETH client");
    return isFormFirst ? withParameters(required, refuse)(request, context) : refuse();
  }
  const handle = chainHandlers[path] ?? notServed(path);
  const run = (parameter: Parameters) => handle(parameter, { ...context, chain, request });
  return isFormFirst ? withParameters(required, run)(request, context) : withAnyForm(request, run);
}

/** A form that cannot be read holds no parameters. Source: Go net/http FormValue. */
async function withAnyForm(
  request: OperatorRequest,
  run: (parameter: Parameters) => Answer | Promise<Answer>,
): Promise<Answer> {
  const form = await request.readForm();
  return run((name) => (form.type === "form" ? (form.values.get(name) ?? "") : ""));
}

/** go-livepeer answers these on a chain: saying there that the client is missing would send people looking for it. */
function notServed(path: string): ChainHandler {
  return () => errorAnswer(501, `${path} is not served by Reprise: use \`bun run cli\``);
}

function setLogLevel(parameter: Parameters, { node, notify }: RouteContext): Answer {
  const parsed = parseAtoi(parameter("loglevel"));
  if (parsed.type === "bad") return errorAnswer(400, "parameter 'logLevel' not defined");
  // go-livepeer lets larger ones wrap around.
  const verbosity = Math.max(-(2 ** 31), Math.min(2 ** 31 - 1, parsed.value));
  node.setVerbosity(verbosity);
  notify({ type: "changed", setting: "verbosity", value: verbosity });
  return textAnswer("");
}

function setMaxSessions(parameter: Parameters, { node, notify }: RouteContext): Answer {
  const text = parameter("maxSessions");
  if (text === "auto") {
    // It follows the remote transcoders, of which there are none; go-livepeer panics here.
    return errorAnswer(400, "Max Sessions 'auto' needs remote transcoders");
  }
  const parsed = parseAtoi(text);
  if (parsed.type === "bad")
    return errorAnswer(400, `strconv.Atoi: parsing ${JSON.stringify(text)}: ${parsed.reason}`);
  if (parsed.value <= 0) return errorAnswer(400, "Max Sessions must be 'auto' or greater than zero");
  node.setMaxSessions(parsed.value);
  notify({ type: "changed", setting: "maxSessions", value: parsed.value });
  return textAnswer(`Max sessions set to ${BigInt(text)}\n`);
}

/** Source: Go strconv.Atoi. The value is exact up to 2⁵³ and close above. */
function parseAtoi(
  text: string,
): { readonly type: "value"; readonly value: number } | { readonly type: "bad"; readonly reason: string } {
  if (!/^[+-]?\d+$/.test(text)) return { type: "bad", reason: "invalid syntax" };
  const value = BigInt(text.replace(/^\+/, ""));
  if (value >= 2n ** 63n || value < -(2n ** 63n)) return { type: "bad", reason: "value out of range" };
  return { type: "value", value: Number(value) };
}

/**
 * The object of `/status`, fields in the order in which go-livepeer emits them.
 *
 * Source: go-livepeer common/types.go NodeStatus; operator sheet 2.3.
 */
function nodeStatus(node: OperatorNode) {
  const facts = node.facts();
  return {
    Manifests: {},
    InternalManifests: {},
    StreamInfo: {},
    OrchestratorPool: [],
    OrchestratorPoolInfos: null,
    Version: facts.version,
    GolangRuntimeVersion: facts.runtimeVersion,
    GOArch: facts.architecture,
    GOOS: facts.operatingSystem,
    RegisteredTranscodersNumber: facts.registeredTranscoders.length,
    RegisteredTranscoders: facts.registeredTranscoders.map(({ address, capacity }) => ({
      Address: address,
      Capacity: capacity,
    })),
    LocalTranscoding: facts.isLocalTranscoding,
    BroadcasterPrices: Object.fromEntries(
      [...(node.money?.prices() ?? [])]
        .map(([scope, price]) => [scope, formatRational(price)] as const)
        .sort(([left], [right]) => (left < right ? -1 : 1)),
    ),
  };
}
