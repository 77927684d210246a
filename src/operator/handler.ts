import { type Answer, errorAnswer } from "./answer.ts";
import type { Form } from "./form.ts";
import type { OperatorChain, OperatorNode, OperatorNotice } from "./ports.ts";

/** A request after the checks that concern every route. */
export type OperatorRequest = {
  readonly method: string;
  /** Decoded and clean, such as `/status`. */
  readonly path: string;
  /** Whether the peer is this machine. */
  readonly isLoopback: boolean;
  /** A header by its lower-case name; null when it was not sent. */
  header(name: string): string | null;
  /** Reads query and body; called at most once, and only by routes that take parameters. */
  readForm(): Promise<Form>;
};

export type RouteContext = {
  readonly node: OperatorNode;
  readonly notify: (notice: OperatorNotice) => void;
};

/** Answers one route. */
export type Handler = (request: OperatorRequest, context: RouteContext) => Answer | Promise<Answer>;

/** What a route on a chain is given. */
export type ChainContext = RouteContext & {
  readonly chain: OperatorChain;
  readonly request: OperatorRequest;
};

/** Answers one route of a node on a chain. */
export type ChainHandler = (parameter: Parameters, context: ChainContext) => Answer | Promise<Answer>;

/** A parameter by its name; "" when it was not given. */
export type Parameters = (name: string) => string;

/** Wraps a handler that needs parameters: a bad form is 500, a missing one 400, both in go-livepeer's words. */
export function withParameters(
  required: readonly string[],
  handle: (
    parameters: Parameters,
    context: RouteContext,
    request: OperatorRequest,
  ) => Answer | Promise<Answer>,
): Handler {
  return async (request, context) => {
    const form = await request.readForm();
    if (form.type === "bad") return errorAnswer(500, `parse form error: ${form.text}`);
    const parameter: Parameters = (name) => form.values.get(name) ?? "";
    const missing = required.find((name) => parameter(name) === "");
    return missing === undefined
      ? handle(parameter, context, request)
      : errorAnswer(400, `missing form param: ${missing}`);
  };
}
