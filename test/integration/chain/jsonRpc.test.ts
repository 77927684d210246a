import { describe, expect, test } from "bun:test";
import { JsonRpc, type RpcAnswer } from "../../../src/chain/jsonRpc.ts";

/* Goal: requests have the form that providers like best, and no answer is misread. Method: a real HTTP server. */

type Exchange = { readonly bodies: unknown[]; readonly answers: readonly RpcAnswer[] };

async function exchange(count: number, reply: (body: unknown) => Response): Promise<Exchange> {
  const bodies: unknown[] = [];
  const server = Bun.serve({
    ...{ port: 0, hostname: "127.0.0.1" },
    fetch: async (request) => {
      const body: unknown = await request.json();
      bodies.push(body);
      return reply(body);
    },
  });
  const rpc = new JsonRpc({ url: server.url.href, timeoutMs: 30_000 });
  const call = { method: "eth_gasPrice", params: [] };
  const answers = await rpc.batch(Array.from({ length: count }, () => call));
  rpc.close();
  await server.stop(true);
  return { bodies, answers };
}

describe("one call", () => {
  test("travels as a plain object", async () => {
    const { bodies, answers } = await exchange(1, () =>
      Response.json({ jsonrpc: "2.0", id: 1, result: "0x1" }),
    );
    expect(bodies).toEqual([{ jsonrpc: "2.0", id: 1, method: "eth_gasPrice", params: [] }]);
    expect(answers).toEqual([{ type: "result", result: "0x1" }]);
  });

  test("may be answered by an error without an id, but by no other call's result", async () => {
    const error = { code: -32700, message: "parse error" };
    const refused = await exchange(1, () => Response.json({ jsonrpc: "2.0", id: null, error }));
    expect(refused.answers).toMatchObject([{ kind: "remote", code: -32700, text: "parse error" }]);
    for (const id of [null, 2, "1"]) {
      const { answers } = await exchange(1, () => Response.json({ jsonrpc: "2.0", id, result: "0x1" }));
      expect(answers).toMatchObject([{ kind: "transport", text: "the RPC left a call unanswered" }]);
    }
  });

  test("keeps the data of a revert", async () => {
    const error = { code: 3, message: "execution reverted", data: "0x08c379a0" };
    const { answers } = await exchange(1, () => Response.json({ jsonrpc: "2.0", id: 1, error }));
    expect(answers).toMatchObject([{ kind: "remote", code: 3, data: "0x08c379a0" }]);
  });
});

describe("several calls", () => {
  test("travel as a list, and are told apart by their ids", async () => {
    const { bodies, answers } = await exchange(2, () =>
      Response.json([
        { id: 2, result: "second" },
        { id: 1, result: "first" },
      ]),
    );
    expect(bodies).toMatchObject([[{ id: 1 }, { id: 2 }]]);
    expect(answers).toMatchObject([{ result: "first" }, { result: "second" }]);
  });

  test("refused as a whole all bear the reason and its code", async () => {
    const error = { code: -32005, message: "batch too large" };
    const { answers } = await exchange(2, () => Response.json({ id: null, error }));
    const failed = { type: "failed", kind: "transport", code: -32005, text: "batch too large" };
    expect(answers).toMatchObject([failed, failed]);
  });
});

describe("Retry-After", () => {
  const waitOf = async (headers: Record<string, string>) => {
    const { answers } = await exchange(1, () => new Response("", { status: 429, headers }));
    const [answer] = answers;
    expect(answer).toMatchObject({ type: "failed", code: 429 });
    return answer?.type === "failed" ? answer.retryAfterMs : null;
  };

  test("in seconds, at most a minute", async () => {
    expect(await waitOf({ "retry-after": "7" })).toBe(7_000);
    expect(await waitOf({ "retry-after": "86400" })).toBe(60_000);
  });

  test("as a date, by the server's own clock", async () => {
    const date = "Wed, 21 Oct 2015 07:28:00 GMT";
    expect(await waitOf({ date, "retry-after": "Wed, 21 Oct 2015 07:28:30 GMT" })).toBe(30_000);
    expect(await waitOf({ date, "retry-after": "Wed, 21 Oct 2015 07:27:30 GMT" })).toBeNull();
  });

  test("that makes no sense is none", async () => {
    for (const text of ["", "-5", "soon", "0"]) expect(await waitOf({ "retry-after": text })).toBeNull();
  });
});
