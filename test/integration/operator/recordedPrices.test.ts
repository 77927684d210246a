// Goal: scripts and `livepeer_cli` that change prices and tickets get go-livepeer's answers from a node on a chain,
// and the change is what go-livepeer's would have been. Method: send every recorded request as raw bytes to a real
// port in front of a node that keeps prices in memory, starting from the recorded prices; compare answer and prices.
import { afterAll, describe, expect, test } from "bun:test";
import vectors from "../../vectors/operator-prices.json";
import type { MoneyChange, OperatorMoney, PriceScope } from "../../../src/operator/ports.ts";
import { fromHex } from "../../../src/protocol/bytes.ts";
import { weiPerCurrency } from "../../../src/protocol/currency.ts";
import {
  divide,
  formatRational,
  multiply,
  parseRational,
  type Rational,
} from "../../../src/protocol/rational.ts";
import { rawRequest } from "./rawRequest.ts";
import { memoryChain, openTestPort, type TestPort } from "./testNode.ts";

type Case = {
  readonly id: string;
  readonly node: string;
  readonly request: {
    readonly method: string;
    readonly target: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
  };
  readonly response: {
    readonly status: number | null;
    readonly headers?: Readonly<Record<string, string>>;
    readonly body?: string;
  };
  readonly memory?: { readonly prices?: { readonly before: string; readonly after: string } };
};

/** Off-chain rows without a recorded answer are panics. */
const cases = (vectors.cases as readonly Case[]).filter((one) => one.response.status !== null);

const account = "0x9965507D1a55bcC2695C58ba16FB37d819B0A4dc";

/** What we answer instead, and why. Prices stay as they were after a refusal. */
const differences: Readonly<Record<string, { readonly status: number; readonly body: string }>> = {
  // A price for nobody: the name only ends in `default`, or is longer than an address.
  "offchain.setPriceForBroadcaster.word-ending-in-default-loose-pattern": badAddress("xdefault"),
  "unregistered.setPriceForBroadcaster.word-ending-in-default-loose-pattern": badAddress("xdefault"),
  "offchain.setPriceForBroadcaster.address-with-tail-loose-pattern": badAddress(
    "0xEB62188121725A605f76a97791a1C69B4BdB435Dffff",
  ),
  // JSON bodies count.
  "offchain.setPriceForBroadcaster.JSON-body": {
    status: 200,
    body: "Price per pixel set to 1 wei for 1 pixels for broadcaster default\n",
  },
  // No limit is 0, not a negative number.
  "unregistered.setMaxFaceValue.-5": {
    status: 400,
    body: "maxfacevalue must be greater than or equal to 0, provided -5\n",
  },
};

function badAddress(text: string) {
  return { status: 400, body: `broadcasterEthAddr is not a valid eth address, provided ${text}\n` };
}

type Prices = Map<PriceScope, Rational>;

/** Keys that only go-livepeer's loose pattern lets in. */
const isLoose = (key: string) => key !== "default" && key.length !== 42;

function pricesOf(json: string): Prices {
  const entries = Object.entries(JSON.parse(json) as Readonly<Record<string, string>>);
  return new Map(
    entries
      .filter(([key]) => !isLoose(key))
      .map(([key, text]) => [key as PriceScope, parseRational(text) ?? { numerator: -1n, denominator: 1n }]),
  );
}

/** A node's money in memory. `feedRefusal` is what its price feed says to every currency. */
function memoryMoney(prices: Prices, feedRefusal: string): OperatorMoney {
  return {
    prices: () => prices,
    ticketEv: () => 1n,
    setPrice: async (scope, { amount, currency, pixelsPerUnit }): Promise<MoneyChange> => {
      const wei = weiPerCurrency(currency, null);
      if (wei.type === "invalid") return { type: "refused", text: feedRefusal };
      prices.set(scope, multiply(divide(amount, pixelsPerUnit), wei.rate));
      return { type: "changed" };
    },
    setMaxFaceValue: async () => ({ type: "changed" }),
  };
}

const opened: TestPort[] = [];
afterAll(() => Promise.all(opened.map(({ port }) => port.close())));

async function openChainPort(money: OperatorMoney): Promise<TestPort> {
  const port = await openTestPort({
    money,
    // What goes to the chain beside a price is done at once.
    actions: { run: () => Promise.resolve({ type: "done", hash: null }) },
    chain: memoryChain({ chainId: 54_321n, account: fromHex(account) ?? new Uint8Array() }),
  });
  opened.push(port);
  return port;
}

describe("recorded requests about prices and tickets", () => {
  test("there are enough, and every difference is used", () => {
    expect(cases.length).toBeGreaterThan(70);
    const ids = new Set(cases.map((one) => one.id));
    expect(Object.keys(differences).filter((id) => !ids.has(id))).toEqual([]);
  });

  for (const one of cases) {
    const difference = differences[one.id];
    test(`operator checks 13-15: ${one.id}${difference === undefined ? "" : " (on purpose unlike go-livepeer)"}`, async () => {
      const recorded = one.memory?.prices;
      const prices = pricesOf(recorded?.before ?? '{"default":"1000"}');
      const before = new Map(prices);
      const feedRefusal =
        one.node === "offchain"
          ? "PriceFeedWatcher is not initialized"
          : "error getting price feed currencies: failed to get description: no contract code at given address";
      const { port } = await openChainPort(memoryMoney(prices, feedRefusal));
      const answer = await rawRequest(port.address.port, one.request);
      const text = Buffer.from(answer.body).toString("utf8").replace(account, "{U}");
      if (difference !== undefined) {
        expect({ status: answer.status, body: text }).toEqual(difference);
        if (difference.status !== 200) expect([...prices]).toEqual([...before]);
        return;
      }
      expect<unknown>({ status: answer.status, body: text }).toEqual({
        status: one.response.status,
        body: one.response.body ?? "",
      });
      for (const name of ["Content-Type", "X-Content-Type-Options"]) {
        expect(`${name}: ${answer.headers.get(name.toLowerCase())}`).toBe(
          `${name}: ${one.response.headers?.[name]}`,
        );
      }
      if (recorded === undefined) return;
      const shown = (map: Prices) => [...map].map(([key, price]) => `${key}=${formatRational(price)}`).sort();
      expect(shown(prices)).toEqual(shown(pricesOf(recorded.after)));
      const status = await rawRequest(port.address.port, { method: "GET", target: "/status" });
      const parsed = JSON.parse(Buffer.from(status.body).toString("utf8"));
      expect(Object.entries(parsed.BroadcasterPrices).map(([key, price]) => `${key}=${price}`)).toEqual(
        shown(prices),
      );
    });
  }
});

test("the answer to a change comes after the change is durable, and is noticed", async () => {
  const prices: Prices = new Map();
  const durable = Promise.withResolvers<void>();
  const asked = Promise.withResolvers<void>();
  const money: OperatorMoney = {
    ...memoryMoney(prices, ""),
    setPrice: async () => {
      asked.resolve();
      await durable.promise;
      return { type: "changed" };
    },
  };
  const { port, notices } = await openChainPort(money);
  let isAnswered = false;
  const target =
    "/setPriceForBroadcaster?pricePerUnit=0.13&pixelsPerUnit=1e12&currency=usd&broadcasterEthAddr=default";
  const answer = rawRequest(port.address.port, { method: "GET", target }).finally(() => {
    isAnswered = true;
  });
  await asked.promise;
  // A whole other exchange on the same port: had the first answer been on its way, it would be here by now.
  await rawRequest(port.address.port, { method: "GET", target: "/status" });
  expect(isAnswered).toBe(false);
  expect(notices).toEqual([]);
  durable.resolve();
  expect((await answer).status).toBe(200);
  expect(notices).toEqual([{ type: "changed", setting: "price", scope: "default", value: "0.13usd / 1e12" }]);
});

test("settings with which no gateway could pay are refused", async () => {
  const changes: string[] = [];
  const recording = (ticketEv: bigint): OperatorMoney => ({
    prices: () => new Map(),
    ticketEv: () => ticketEv,
    setPrice: async (scope) => {
      changes.push(scope);
      return { type: "changed" };
    },
    setMaxFaceValue: async (wei) => {
      changes.push(`${wei}`);
      return { type: "changed" };
    },
  });
  const ask = async (money: OperatorMoney, target: string) => {
    const { port } = await openChainPort(money);
    const { status, body } = await rawRequest(port.address.port, { method: "GET", target });
    return `${status} ${Buffer.from(body).toString("utf8")}`;
  };
  const price = (wei: number) => `/setOrchestratorConfig?pricePerUnit=${wei}&pixelsPerUnit=1`;
  expect(await ask(recording(0n), price(1))).toBe(
    "400 price unit must be 0 while -ticketEV is 0: no gateway could ever pay\n",
  );
  expect(await ask(recording(8_000n), "/setMaxFaceValue?maxfacevalue=7999")).toBe(
    "400 maxfacevalue must be 0 or at least the ticket EV of 8000, provided 7999\n",
  );
  expect(changes).toEqual([]);
  expect(await ask(recording(0n), price(0))).toBe("200 ");
  expect(await ask(recording(8_000n), "/setMaxFaceValue?maxfacevalue=8000")).toBe(
    "200 ticket max face value set",
  );
  expect(changes).toEqual(["default", "8000"]);
});

test("on a chain, what is not served says so after go-livepeer's own checks", async () => {
  const money = memoryMoney(new Map(), "");
  const { port } = await openTestPort({ money, chain: memoryChain() });
  const ask = async (target: string) => {
    const { status, body } = await rawRequest(port.address.port, { method: "GET", target });
    return `${status} ${Buffer.from(body).toString("utf8")}`;
  };
  const notServed = (path: string) => `501 ${path} is not served by Reprise: use \`bun run cli\`\n`;
  expect(await ask("/requestTokens")).toBe(notServed("/requestTokens"));
  expect(await ask("/fundDeposit")).toBe("400 missing form param: amount\n");
  expect(await ask("/fundDeposit?amount=1")).toBe(notServed("/fundDeposit"));
  // A node that sends nothing.
  expect(await ask("/reward")).toBe(notServed("/reward"));
  await port.close();
});
