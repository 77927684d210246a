import { afterEach, describe, expect, test } from "bun:test";
import { openOperatorPort, type OperatorPort } from "../../../src/operator/operatorPort.ts";
import type {
  OperatorCall,
  OperatorNode,
  OperatorTransactions,
  OperatorTransactionState,
} from "../../../src/operator/ports.ts";
import {
  answerTransactions,
  callBytesMax,
  transactionPath,
} from "../../../src/operator/transactionRoutes.ts";

/*
 * Goal: who does not hold the token of the data folder cannot spend, and nothing but a whole, sane call reaches the
 * node. Method: a real operator port before a node that writes down what it was asked.
 */

const token = "ab".repeat(32);
const account = `0x${"11".repeat(20)}`;
const id = `${account}/7`;
const good = {
  to: `0x${"22".repeat(20)}`,
  data: "0xa9059cbb",
  value: "0",
  gasLimit: "100000",
  subject: "a test",
};

const opened: OperatorPort[] = [];
afterEach(async () => {
  await Promise.all(opened.splice(0).map((port) => port.close()));
});

async function open(states: Readonly<Record<string, OperatorTransactionState>> = {}) {
  const calls: OperatorCall[] = [];
  const transactions: OperatorTransactions = {
    token,
    submit: async (call) => {
      calls.push(call);
      return call.subject === "refuse"
        ? { type: "refused", text: "no gas money" }
        : { type: "submitted", id };
    },
    state: (asked) => states[asked] ?? null,
  };
  // Only the routes of transactions are asked for.
  const node = { transactions } as unknown as OperatorNode;
  const port = await openOperatorPort({ bind: { host: "127.0.0.1", port: 0 }, node });
  opened.push(port);
  const ask = async (
    method: string,
    path: string,
    options: { readonly body?: string; readonly headers?: Readonly<Record<string, string>> } = {},
  ) => {
    const response = await fetch(`http://127.0.0.1:${port.address.port}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json", ...options.headers },
      ...(options.body === undefined ? {} : { body: options.body }),
    });
    const text = await response.text();
    return { status: response.status, text, json: text.startsWith("{") ? JSON.parse(text) : null };
  };
  return { calls, ask };
}

describe("POST /api/transactions", () => {
  test("hands a call on and answers with its id", async () => {
    const { ask, calls } = await open();
    const answer = await ask("POST", transactionPath, { body: JSON.stringify({ ...good, from: account }) });
    expect(answer).toMatchObject({ status: 202, json: { id } });
    expect(calls).toEqual([
      {
        from: account as `0x${string}`,
        to: good.to as `0x${string}`,
        data: "0xa9059cbb",
        value: 0n,
        gasLimit: 100_000n,
        subject: "a test",
      },
    ]);
    const plain = await ask("POST", transactionPath, {
      body: JSON.stringify({ to: good.to, data: "0x", subject: "x\u001b[2Jy" }),
    });
    expect(plain.status).toBe(202);
    expect(calls[1]).toMatchObject({ from: null, value: 0n, gasLimit: null, subject: "x [2Jy" });
  });

  test("what the node refuses is a 409 with its words", async () => {
    const { ask } = await open();
    const answer = await ask("POST", transactionPath, {
      body: JSON.stringify({ ...good, subject: "refuse" }),
    });
    expect(answer).toMatchObject({ status: 409, json: { error: "no gas money" } });
  });

  test.each([
    ["no token", {}, { authorization: "" }],
    ["a wrong token", {}, { authorization: `Bearer ${"ac".repeat(32)}` }],
    ["half a token", {}, { authorization: `Bearer ${token.slice(0, 32)}` }],
    ["another scheme", {}, { authorization: `Basic ${token}` }],
  ])("%s is refused before anything is read", async (_, __, headers) => {
    const { ask, calls } = await open();
    const answer = await ask("POST", transactionPath, { body: JSON.stringify(good), headers });
    expect(answer.status).toBe(401);
    expect((await ask("GET", `${transactionPath}/${encodeURIComponent(id)}`, { headers })).status).toBe(401);
    expect(calls).toEqual([]);
  });

  test("a web page is refused, with the right token too", async () => {
    const { ask, calls } = await open();
    for (const headers of [
      { origin: "https://evil.example" },
      { "sec-fetch-site": "cross-site" },
      { host: "evil.example" },
    ]) {
      expect((await ask("POST", transactionPath, { body: JSON.stringify(good), headers })).status).toBe(403);
    }
    const form = { "content-type": "application/x-www-form-urlencoded" };
    expect((await ask("POST", transactionPath, { body: JSON.stringify(good), headers: form })).status).toBe(
      415,
    );
    expect(calls).toEqual([]);
  });

  const bad: readonly (readonly [string, unknown])[] = [
    ["no object", [1]],
    ["null", null],
    ["no address", { ...good, to: "0x12" }],
    ["a wrong from", { ...good, from: "me" }],
    ["odd data", { ...good, data: "0xa" }],
    ["data that are no text", { ...good, data: 5 }],
    ["a negative value", { ...good, value: "-1" }],
    ["a value that is a number", { ...good, value: 1 }],
    ["a value of 257 bits", { ...good, value: String(2n ** 256n) }],
    ["gas of 0", { ...good, gasLimit: "0" }],
    ["gas beyond a block", { ...good, gasLimit: "100000001" }],
    ["no subject", { ...good, subject: "" }],
    ["a long subject", { ...good, subject: "x".repeat(201) }],
  ];
  test.each(bad)("%s is a 400", async (_, body) => {
    const { ask, calls } = await open();
    const answer = await ask("POST", transactionPath, { body: JSON.stringify(body) });
    expect(answer.status).toBe(400);
    expect(answer.json.error).toMatch(/./);
    expect(calls).toEqual([]);
  });

  test("rubbish and floods are refused, other methods too", async () => {
    const { ask, calls } = await open();
    expect((await ask("POST", transactionPath, { body: "{" })).status).toBe(400);
    const flood = JSON.stringify({ ...good, data: `0x${"00".repeat(callBytesMax)}` });
    expect((await ask("POST", transactionPath, { body: flood })).status).toBe(413);
    expect((await ask("GET", transactionPath)).status).toBe(405);
    expect((await ask("DELETE", `${transactionPath}/${encodeURIComponent(id)}`)).status).toBe(405);
    expect(calls).toEqual([]);
  });
});

describe("GET /api/transactions/<id>", () => {
  test("says how far it is, amounts as text", async () => {
    const hash = `0x${"33".repeat(32)}` as const;
    const { ask } = await open({
      [id]: { state: "mined", hash, isSuccess: true, block: 12n, fee: 10n ** 30n },
    });
    const answer = await ask("GET", `${transactionPath}/${encodeURIComponent(id)}`);
    expect(answer).toMatchObject({
      status: 200,
      json: { id, state: "mined", hash, isSuccess: true, block: "12", fee: String(10n ** 30n) },
    });
  });

  test.each([`${account}/8`, "0x12/1", "..", `${account}/-1`, `${account}/7/8`])(
    "`%s` is unknown",
    async (other) => {
      const { ask } = await open();
      expect((await ask("GET", `${transactionPath}/${encodeURIComponent(other)}`)).status).toBe(404);
    },
  );
});

test("another machine is refused whatever it shows, and so is everybody on a node that sends nothing", async () => {
  const transactions: OperatorTransactions = {
    token,
    submit: () => Promise.reject(new Error("It must not come here.")),
    state: () => null,
  };
  const request = {
    method: "POST",
    path: transactionPath,
    authorization: `Bearer ${token}`,
    contentType: "application/json",
    isLoopback: false,
    readBody: () => Promise.reject(new Error("It must not be read.")),
  };
  expect((await answerTransactions(request, transactions)).status).toBe(403);
  expect((await answerTransactions({ ...request, isLoopback: true }, null)).status).toBe(404);
});
