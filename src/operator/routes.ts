import { type Answer, errorAnswer, jsonAnswer, textAnswer } from "./answer.ts";
import { chainRoutes } from "./chainRoutes.ts";
import type { Form } from "./form.ts";
import type { OperatorNode, OperatorNotice } from "./ports.ts";

/** A request after the checks that concern every route. */
export type OperatorRequest = {
  readonly method: string;
  /** Decoded and clean, such as `/status`. */
  readonly path: string;
  /** Reads query and body; called at most once, and only by routes that take parameters. */
  readForm(): Promise<Form>;
};

export type RouteContext = {
  readonly node: OperatorNode;
  readonly notify: (notice: OperatorNotice) => void;
};

type Handler = (request: OperatorRequest, context: RouteContext) => Answer | Promise<Answer>;

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
  "/IsOrchestrator": () => textAnswer("true"),
  "/IsRedeemer": () => textAnswer("false"),
  "/EthChainID": () => textAnswer("0"),
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

/** The answer to a path that does not exist. Source: Go net/http NotFound. */
export const notFound: Answer = errorAnswer(404, "404 page not found");

/** Answers one request. Any method is as good as any other, as in go-livepeer. */
export function answerRequest(request: OperatorRequest, context: RouteContext): Answer | Promise<Answer> {
  if (Object.hasOwn(handlers, request.path))
    return (handlers[request.path] ?? (() => notFound))(request, context);
  const chainRoute = Object.hasOwn(chainRoutes, request.path) ? chainRoutes[request.path] : undefined;
  if (chainRoute === undefined) return notFound;
  const refuse = () => errorAnswer(500, "missing ETH client");
  return chainRoute.isFormFirst ? withParameters(chainRoute.required, refuse)(request, context) : refuse();
}

type Parameters = (name: string) => string;

/** Wraps a handler that needs parameters: a bad form is 500, a missing one 400, both in go-livepeer's words. */
function withParameters(
  required: readonly string[],
  handle: (parameters: Parameters, context: RouteContext) => Answer,
): Handler {
  return async (request, context) => {
    const form = await request.readForm();
    if (form.type === "bad") return errorAnswer(500, `parse form error: ${form.text}`);
    const parameter: Parameters = (name) => form.values.get(name) ?? "";
    const missing = required.find((name) => parameter(name) === "");
    return missing === undefined
      ? handle(parameter, context)
      : errorAnswer(400, `missing form param: ${missing}`);
  };
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
    BroadcasterPrices: {},
  };
}
