// Goal: scripts and livepeer_cli can do on this port what they could on go-livepeer's, and see the same words. Method:
// replay every recorded request for an action that costs gas. What the chain said is scripted from the recorded answer;
// what is checked before it, the statuses and the words around it are ours.
import { afterAll, beforeAll, expect, test } from "bun:test";
import vectors from "../../vectors/operator-actions.json";
import type { OperatorAction, OperatorActionResult, OperatorMoney } from "../../../src/operator/ports.ts";
import { plainHex } from "../../../src/protocol/bytes.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { rawRequest } from "./rawRequest.ts";
import { memoryChain, openTestPort, type TestPort } from "./testNode.ts";

type Case = {
  readonly id: string;
  readonly request: {
    readonly method: string;
    readonly target: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
  };
  readonly response: { readonly status: number | null; readonly body?: string; readonly bodyHex?: string };
};
const cases = vectors.cases as readonly Case[];

type Answer = { readonly status: number; readonly body: string };
const badRequest = (text: string): Answer => ({ status: 400, body: `${text}\n` });
const badInteger = badRequest("failed to parse big integer");
const badLock = badRequest("Cannot convert unbondingLockId: failed to parse big integer");
const noAddress = (name: string, text: string): Answer =>
  badRequest(`${name} is not a valid eth address, provided ${text}`);

/** What we answer instead, and why. */
const differences: Readonly<Record<string, Answer>> = {
  // Amounts and numbers below 0 make no sense, whatever the contract would say.
  "registering.uninit-never-bonded.bond.negative-amount": badInteger,
  "registering.before.bond.negative-amount": badInteger,
  "registered.active.unbond.negative": badInteger,
  "registered.active.transferTokens.negative": badInteger,
  "registered.active.rebond.negative-id": badLock,
  "registered.active.withdrawFees.negative": badRequest("invalid amount: failed to parse big integer"),
  // go-livepeer answers 200 and does nothing.
  "registering.before.rebond.bad-id": badLock,
  // Addresses that are none: go-livepeer pads or cuts them, and sends.
  "registered.active.bond.toAddr-not-hex-becomes-the-zero-address": noAddress("toAddr", "zz"),
  "registered.active.bond.toAddr-short-hex": noAddress("toAddr", "0x12"),
  "registered.active.transferTokens.to-short-hex": noAddress("to", "0x12"),
  "registered.active.transferTokens.to-word": noAddress("to", "bob"),
  "registered.active.transferTokens.to-too-long-last-20-bytes-are-taken": noAddress(
    "to",
    `0x${"1".repeat(44)}`,
  ),
  // It takes the choice modulo 2^64.
  "registered.active.vote.choice-over-64-bits": { status: 500, body: "invalid choiceID\n" },
  "gas-trap.vote": { status: 500, body: "invalid choiceID\n" },
  // Percentages: it panics for the first two.
  "registered.active.setOrchestratorConfig.NaN": badRequest(
    'Cannot convert block reward cut: strconv.ParseFloat: parsing "NaN": invalid syntax',
  ),
  "registered.active.setOrchestratorConfig.Inf": badRequest(
    'Cannot convert fee share: strconv.ParseFloat: parsing "Inf": invalid syntax',
  ),
  "registered.active.setOrchestratorConfig.hex-float": badRequest(
    'Cannot convert block reward cut: strconv.ParseFloat: parsing "0x1p3": invalid syntax',
  ),
  "registered.active.setOrchestratorConfig.cut-over-100": badRequest(
    "Cannot convert block reward cut: 100.1 is not between 0 and 100 percent",
  ),
  "registered.active.setOrchestratorConfig.negative": badRequest(
    "Cannot convert block reward cut: -1 is not between 0 and 100 percent",
  ),
  "registering.uninit-never-bonded.activateOrchestrator.cut-over-100": badRequest(
    "101 is not between 0 and 100 percent",
  ),
  "registering.before.activateOrchestrator.cut-over-100": badRequest("101 is not between 0 and 100 percent"),
  // JSON bodies count.
  "registering.before.activateOrchestrator.JSON": { status: 200, body: "" },
};

const hash: Hex = `0x${"5a".repeat(32)}`;
const poll = `0x${"77".repeat(20)}`;
const contract = `0x${"66".repeat(20)}`;

function fill(text: string): string {
  let filled = text
    .replaceAll("{txHash0x}", hash)
    .replaceAll("{Poll}", poll)
    .replaceAll("{proposalID}", "12345");
  filled = filled.replaceAll("{LivepeerToken}", contract);
  for (const [name, address] of Object.entries(vectors.accounts))
    filled = filled.replaceAll(`{${name}}`, address);
  return filled;
}

/** What the chain said, from go-livepeer's words about it; null when it was not asked. */
function outcomeOf(one: Case): OperatorActionResult | null {
  const { status, body = "" } = one.response;
  if (status === 200 || one.id.endsWith(".JSON")) return { type: "done", hash };
  const text = fill(body).trimEnd();
  const quoted = /^unable to (submit|mine) (?:proposal )?vote transaction err="(.*)"$/.exec(text);
  if (quoted !== null) return { type: quoted[1] === "submit" ? "refused" : "failed", text: quoted[2] ?? "" };
  const bare = text.replace(
    /^(?:Error calling reward|could not initialize round|could not execute WithdrawFees|Error claiming earnings): /,
    "",
  );
  if (/^(?:transaction failed|timed out)/.test(bare)) return { type: "failed", text: bare };
  if (/invalid URI|service address must/.test(bare)) {
    return { type: status === 400 ? "malformed" : "refused", text: bare };
  }
  const isChains =
    /execution reverted|round (?:is )?locked|injected failure|maxFeePerGas|no rewards|ErrRound|Post "|gas price|Round not|already registered/;
  return isChains.test(bare) ? { type: "refused", text: bare } : null;
}

let port: TestPort;
let next: OperatorActionResult | null = null;
const asked: OperatorAction[] = [];
const prices: string[] = [];

beforeAll(async () => {
  const money: OperatorMoney = {
    prices: () => new Map(),
    ticketEv: () => 1n,
    setPrice: (_, { wording }) => {
      prices.push(wording);
      return Promise.resolve({ type: "changed" });
    },
    setMaxFaceValue: () => Promise.resolve({ type: "changed" }),
  };
  const run = (action: OperatorAction): Promise<OperatorActionResult> => {
    asked.push(action);
    return Promise.resolve(next ?? { type: "refused", text: "the chain was asked" });
  };
  port = await openTestPort({ money, chain: memoryChain(), actions: { run } });
});
afterAll(() => port.port.close());

async function answerTo({ request }: Case): Promise<Answer> {
  const { method, headers } = request;
  const answer = await rawRequest(port.port.address.port, {
    ...{ method, headers, target: fill(request.target) },
    ...(request.body === undefined ? {} : { body: fill(request.body) }),
  });
  const text = Buffer.from(answer.body).toString("utf8");
  return { status: answer.status, body: answer.body[0] === 0x5a ? plainHex(answer.body) : text };
}

test("there are enough recorded requests, and every difference is used", () => {
  expect(cases.length).toBeGreaterThan(150);
  const ids = new Set(cases.map((one) => one.id));
  expect(Object.keys(differences).filter((id) => !ids.has(id))).toEqual([]);
});

test("operator checks 20 to 22, chain checks 18, 19, 45, 46: the same words, and nothing asked that is malformed", async () => {
  for (const one of cases) {
    next = outcomeOf(one);
    asked.length = 0;
    const answer = await answerTo(one);
    const difference = differences[one.id];
    const { bodyHex } = one.response;
    const body = bodyHex === undefined ? fill(one.response.body ?? "") : hash.slice(2);
    const wanted = difference ?? { status: one.response.status, body };
    expect<unknown>({ id: one.id, ...answer }).toEqual({ id: one.id, ...wanted });
    // What is refused in our own words never came to the chain.
    if (difference !== undefined && difference.status === 400) expect(asked).toEqual([]);
  }
});

test("percentages are exact to the nearest millionth, also what floats made of them", async () => {
  const cutsOf = async (query: string) => {
    next = { type: "done", hash: null };
    asked.length = 0;
    const { port: number } = port.port.address;
    await rawRequest(number, { method: "GET", target: `/setOrchestratorConfig?${query}` });
    const [action] = asked;
    return action?.type === "set-config" ? [action.cuts?.rewardCut, action.cuts?.feeShare] : null;
  };
  expect(await cutsOf("blockRewardCut=0.57&feeShare=5.700000000000003")).toEqual([5_700n, 57_000n]);
  expect(await cutsOf("blockRewardCut=12.34567&feeShare=100")).toEqual([123_457n, 1_000_000n]);
  expect(await cutsOf("blockRewardCut=1e1&feeShare=0")).toEqual([100_000n, 0n]);
  expect(await cutsOf("blockRewardCut=100.00005&feeShare=0")).toBeNull();
});

test("the price changes only once the chain has", async () => {
  const config = async (result: OperatorActionResult) => {
    next = result;
    prices.length = 0;
    const target = "/setOrchestratorConfig?blockRewardCut=1&feeShare=2&pricePerUnit=7&pixelsPerUnit=1";
    const { status } = await rawRequest(port.port.address.port, { method: "GET", target });
    return [status, ...prices];
  };
  expect(await config({ type: "refused", text: "current round locked" })).toEqual([500]);
  expect(await config({ type: "failed", text: "transaction failed" })).toEqual([500]);
  expect(await config({ type: "done", hash })).toEqual([200, "7wei"]);
});
