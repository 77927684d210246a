// Goal: whoever reads the chain through go-livepeer's operator port gets the same bytes here, or something better that
// is written down. Method: replay every recorded request to an on-chain orchestrator that reads, bounds gas prices or
// signs. The facts behind an answer are taken from the recorded answer itself, the answer's form is ours; signatures
// are made with the recorded keys, and compared byte for byte.
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import vectors from "../../vectors/operator-chain.json";
import { signTypedData } from "../../../src/chain/typedData.ts";
import { localIdentity } from "../../../src/chain/localIdentity.ts";
import type {
  ChainRead,
  OperatorChainReads,
  OperatorMoney,
  OrchestratorFacts,
} from "../../../src/operator/ports.ts";
import { fromHex, plainHex } from "../../../src/protocol/bytes.ts";
import { parseRational } from "../../../src/protocol/rational.ts";
import type { Hex } from "../../../src/shared/brand.ts";
import { rawRequest } from "./rawRequest.ts";
import { memoryChain, openTestPort, type TestPort } from "./testNode.ts";

type Case = {
  readonly id: string;
  readonly step: number;
  readonly node: "unregistered" | "registering" | "registered";
  readonly request: {
    readonly method: string;
    readonly target: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
  };
  readonly response: {
    readonly status: number | null;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: string;
    readonly bodyHex?: string;
  };
  readonly memory?: Readonly<Record<string, { readonly before: string; readonly after: string }>>;
};
const cases = vectors.cases as readonly Case[];

const refused = (text: string) => ({ status: 400, body: `${text}\n` });

/** What we answer instead, and why. */
const differences: Readonly<Record<string, { readonly status: number; readonly body?: string }>> = {
  // Bounds with which nothing could be sent.
  "unregistered.active.setMaxGasPrice.negative": refused(
    "Parsing failed for price: it must not be negative, provided -1",
  ),
  "unregistered.active.setMinGasPrice.negative": refused(
    "invalid minGasPrice: it must not be negative, provided -5",
  ),
  // go-livepeer panics with -monitor.
  "registered.active.setMaxGasPrice.zero-with-monitoring": { status: 200, body: "" },
  "registered.active.setMaxGasPrice.zero-with-monitoring.2": { status: 200, body: "" },
  // What is no text may be the hash of a ticket.
  "unregistered.signMessage.a-ticket-hash-cannot-be-told-from-a-message": {
    status: 400,
    body: 'could not sign message - err="the message is no text"\n',
  },
  // JSON and multipart bodies count.
  "unregistered.signMessage.multipart": { status: 200 },
  "unregistered.signMessage.JSON": { status: 200 },
  "registered.active.orchestratorEarningPoolsForRound.form-body-is-not-read": { status: 200 },
  // Go's words about its own JSON.
  "unregistered.signMessage.typed-data-text": refused('could not unmarshal typed data - err="it is no JSON"'),
};

/** Every zero means no limit here. */
const otherMemory: Readonly<Record<string, string>> = { "unregistered.active.setMaxGasPrice.00": "200 " };

/** The public test keys of the recorded accounts. */
const keys: Readonly<Record<Case["node"], string>> = {
  unregistered: "0x8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
  registering: "0x7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
  registered: "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
};

const contractNames = [
  ...(["BondingManager", "Controller", "LivepeerToken", "LivepeerTokenFaucet"] as const),
  ...(["Minter", "RoundsManager", "TicketBroker"] as const),
];
const contracts = Object.fromEntries(
  contractNames.map((name, index) => [name, `0x${String(index + 1).repeat(40)}` as Hex]),
) as { readonly [Name in (typeof contractNames)[number]]: Hex };

function fill(text: string): string {
  let filled = text;
  for (const [name, address] of Object.entries({ ...vectors.accounts, ...contracts })) {
    filled = filled.replaceAll(`{${name}:lower}`, address.toLowerCase()).replaceAll(`{${name}}`, address);
  }
  return filled;
}

/** Numbers stay as they are written: JSON's own are not exact. */
function parseExact(json: string): Readonly<Record<string, unknown>> {
  const quoted = json.replaceAll(/([:[,])(-?\d+)(?=[,}\]])/g, '$1"$2n"');
  return JSON.parse(quoted, (_, value: unknown) =>
    typeof value === "string" && /^-?\d+n$/.test(value) ? BigInt(value.slice(0, -1)) : value,
  ) as Readonly<Record<string, unknown>>;
}

/** Facts that only look into what was recorded. */
class Recording {
  readonly #locks = new Map<string, string>();
  body = "";
  isFailed = false;
  target = "";

  #read<T>(factsOf: (parsed: Readonly<Record<string, unknown>>) => T): Promise<ChainRead<T>> {
    return this.#readText((body) => factsOf(parseExact(body)));
  }

  #readText<T>(factsOf: (body: string) => T): Promise<ChainRead<T>> {
    if (!this.isFailed) return Promise.resolve({ type: "read", value: factsOf(this.body) });
    return Promise.resolve({ type: "failed", text: this.body.trimEnd().replace(/^could not [^:]*: /, "") });
  }

  /** Facts of the answer that is wanted next. */
  readonly reads: OperatorChainReads = {
    currentRound: () => this.#readText(BigInt),
    isRoundInitialized: () => this.#readText((body) => body === "true"),
    contracts: () => this.#readText(() => contracts),
    ethBalance: () => this.#readText(BigInt),
    tokenBalance: () => this.#readText(BigInt),
    latestBlock: () => this.#readText((body) => BigInt(`0x${body}`)),
    unlockPeriod: () => this.#read((facts) => facts["UnlockPeriod"] as bigint),
    protocol: () =>
      this.#read((facts) => ({
        poolMaxSize: facts["NumActiveTranscoders"] as bigint,
        roundLength: facts["RoundLength"] as bigint,
        roundLockAmount: facts["RoundLockAmount"] as bigint,
        unbondingPeriod: facts["UnbondingPeriod"] as bigint,
        inflation: facts["Inflation"] as bigint,
        inflationChange: facts["InflationChange"] as bigint,
        targetBondingRate: facts["TargetBondingRate"] as bigint,
        totalBonded: facts["TotalBonded"] as bigint,
        totalSupply: facts["TotalSupply"] as bigint,
        isPaused: facts["Paused"] as boolean,
      })),
    sender: () =>
      this.#read((facts) => {
        const reserve = facts["Reserve"] as Readonly<Record<string, bigint>>;
        return {
          deposit: facts["Deposit"] as bigint,
          withdrawRound: facts["WithdrawRound"] as bigint,
          reserve: reserve["FundsRemaining"] ?? -1n,
          claimedInCurrentRound: reserve["ClaimedInCurrentRound"] ?? -1n,
        };
      }),
    delegator: () =>
      this.#read((facts) => ({
        account: facts["Address"] as Hex,
        bondedAmount: facts["BondedAmount"] as bigint,
        fees: facts["Fees"] as bigint,
        delegate: facts["DelegateAddress"] as Hex,
        delegatedAmount: facts["DelegatedAmount"] as bigint,
        startRound: facts["StartRound"] as bigint,
        lastClaimRound: facts["LastClaimRound"] as bigint,
        nextUnbondingLockId: facts["NextUnbondingLockId"] as bigint,
        pendingStake: facts["PendingStake"] as bigint,
        pendingFees: facts["PendingFees"] as bigint,
        status: facts["Status"] as "Bonded",
      })),
    orchestrator: () =>
      this.#read((facts) => orchestratorFacts(facts["Transcoder"] as Readonly<Record<string, unknown>>)),
    orchestrators: () =>
      this.#read((facts) => {
        const list = facts as unknown as readonly Readonly<Record<string, unknown>>[] | null;
        return (list ?? []).map(orchestratorFacts);
      }),
    earningsPool: () =>
      this.#read((facts) => ({
        totalStake: facts["TotalStake"] as bigint,
        rewardCut: facts["TranscoderRewardCut"] as bigint,
        feeShare: facts["TranscoderFeeShare"] as bigint,
        cumulativeRewardFactor: facts["CumulativeRewardFactor"] as bigint,
        cumulativeFeeFactor: facts["CumulativeFeeFactor"] as bigint,
      })),
    // Of a filtered list the locks are those of the list before, and the round is what the filter says about it.
    unbondingLocks: () => {
      const isFiltered = /=(?:1|true)$/.test(this.target);
      const node = /"Delegator":"(0x\w+)"/.exec(this.body)?.[1] ?? "";
      if (!isFiltered) this.#locks.set("last", this.body);
      const json = isFiltered && this.body === "[]" ? (this.#locks.get("last") ?? "[]") : this.body;
      const currentRound = isFiltered && node === "" ? 3n : 10n;
      return this.#readText(() => ({
        currentRound,
        locks: (parseExact(json) as unknown as readonly Readonly<Record<string, unknown>>[]).map((lock) => ({
          id: lock["ID"] as bigint,
          delegator: lock["Delegator"] as Hex,
          amount: lock["Amount"] as bigint,
          withdrawRound: lock["WithdrawRound"] as bigint,
        })),
      }));
    },
  };
}

function orchestratorFacts(facts: Readonly<Record<string, unknown>>): OrchestratorFacts {
  return {
    account: facts["Address"] as Hex,
    serviceUri: facts["ServiceURI"] as string,
    lastRewardRound: facts["LastRewardRound"] as bigint,
    rewardCut: facts["RewardCut"] as bigint,
    feeShare: facts["FeeShare"] as bigint,
    delegatedStake: facts["DelegatedStake"] as bigint,
    activationRound: facts["ActivationRound"] as bigint,
    deactivationRound: facts["DeactivationRound"] as bigint,
    lastActiveStakeUpdateRound: facts["LastActiveStakeUpdateRound"] as bigint,
    isActive: facts["Active"] as boolean,
    isRegistered: facts["Status"] === "Registered",
  };
}

const recording = new Recording();
const ports = new Map<Case["node"], TestPort>();
const bounds: { min: bigint; max: bigint | null } = { min: 0n, max: null };
let basePrice = "0";

beforeAll(async () => {
  for (const [node, key] of Object.entries(keys) as [Case["node"], string][]) {
    const privateKey = fromHex(key) ?? new Uint8Array(32);
    const identity = localIdentity(privateKey);
    const prices = () =>
      new Map([["default", parseRational(basePrice) ?? { numerator: 0n, denominator: 1n }]] as const);
    const money: OperatorMoney = {
      prices,
      ticketEv: () => 1n,
      setPrice: () => Promise.resolve({ type: "changed" }),
      setMaxFaceValue: () => Promise.resolve({ type: "changed" }),
    };
    const chain = memoryChain({
      account: identity.account,
      reads: recording.reads,
      minGasPrice: () => bounds.min,
      maxGasPrice: () => bounds.max,
      setGasPrices: ({ min, max }) => Object.assign(bounds, { min, max }),
      signMessage: identity.sign,
      signTypedData: (json) => signTypedData(json, privateKey),
    });
    ports.set(node, await openTestPort({ money, chain }));
  }
});
afterAll(() => Promise.all([...ports.values()].map(({ port }) => port.close())));

/** `200 5` as a bound; "" and what only go-livepeer takes as none. */
const boundOf = (shown: string | undefined): bigint | null =>
  /^200 [1-9]\d*$/.test(shown ?? "") ? BigInt((shown ?? "").slice(4)) : null;

test("there are enough recorded requests, and every difference is used", () => {
  expect(cases.length).toBeGreaterThan(170);
  const ids = new Set(cases.map((one) => one.id));
  const written = [...Object.keys(differences), ...Object.keys(otherMemory)];
  expect(written.filter((id) => !ids.has(id))).toEqual([]);
});

describe("recorded requests to an on-chain orchestrator", () => {
  // One after the other: what locks a filter left out is known from the list before it.
  test("operator checks 18, 19, 39, chain checks 24, 42, 49: the same bytes", async () => {
    for (const one of cases) {
      const { request, response, memory } = one;
      const difference = differences[one.id];
      const body = fill(response.body ?? "");
      recording.target = `${request.target}${request.body ?? ""}`;
      recording.body = response.bodyHex ?? body;
      recording.isFailed = response.status === 500;
      basePrice = /"PriceInfo":"([^"]*)"/.exec(body)?.[1] ?? "0";
      const maxText =
        memory?.["/maxGasPrice"]?.before ?? (request.target === "/maxGasPrice" ? `200 ${body}` : undefined);
      bounds.max = boundOf(maxText);
      bounds.min = boundOf(memory?.["/minGasPrice"]?.before) ?? 0n;
      const before: Readonly<Record<string, bigint | null>> = {
        "/maxGasPrice": bounds.max,
        "/minGasPrice": bounds.min,
      };
      // The answer of a pool of earnings that was asked for with a body is not recorded.
      if (difference?.status === 200 && response.status === 400) {
        recording.body =
          '{"TotalStake":0,"TranscoderRewardCut":0,"TranscoderFeeShare":0,"CumulativeRewardFactor":0,"CumulativeFeeFactor":0}';
      }
      const port = ports.get(one.node);
      if (port === undefined) throw new Error(`no port for ${one.node}`);
      const { method, target, headers } = request;
      const answer = await rawRequest(port.port.address.port, {
        ...{ method, target, headers },
        ...(request.body === undefined ? {} : { body: request.body }),
      });
      const text = Buffer.from(answer.body).toString("utf8");
      const shown = {
        id: one.id,
        status: answer.status,
        body: response.bodyHex === undefined || difference !== undefined ? text : plainHex(answer.body),
      };
      if (difference !== undefined) {
        expect(shown).toEqual({ body: shown.body, id: one.id, ...difference });
      } else {
        expect<unknown>(shown).toEqual({
          id: one.id,
          status: response.status,
          body: response.bodyHex ?? body,
        });
        for (const name of ["Content-Type", "X-Content-Type-Options"]) {
          const have = `${one.id} ${name}: ${answer.headers.get(name.toLowerCase())}`;
          expect(have).toBe(`${one.id} ${name}: ${response.headers[name]}`);
        }
      }
      if (memory !== undefined && difference?.status !== 400) {
        const [name, change] = Object.entries(memory)[0] ?? ["", { before: "", after: "" }];
        const now = name === "/maxGasPrice" ? bounds.max : bounds.min;
        // A bound that only go-livepeer takes cannot stay here, but nothing may have changed either.
        const wanted = change.before === change.after ? `200 ${before[name] ?? ""}` : change.after;
        expect(`${one.id}: 200 ${now ?? ""}`).toBe(`${one.id}: ${otherMemory[one.id] ?? wanted}`);
      }
    }
  });
});

test("a lower bound above the upper one, and the other way round, are refused and change nothing", async () => {
  const port = ports.get("registered")?.port.address.port ?? 0;
  const ask = async (target: string) => {
    const { status, body } = await rawRequest(port, { method: "GET", target });
    return `${status} ${Buffer.from(body).toString("utf8")}`;
  };
  Object.assign(bounds, { min: 5n, max: 10n });
  expect(await ask("/setMinGasPrice?minGasPrice=11")).toBe(
    "400 the minimum gas price 11 would be above the maximum 10\n",
  );
  expect(await ask("/setMaxGasPrice?amount=4")).toBe(
    "400 the maximum gas price 4 would be below the minimum 5\n",
  );
  expect(bounds).toEqual({ min: 5n, max: 10n });
  expect([await ask("/setMaxGasPrice?amount=0"), await ask("/maxGasPrice")]).toEqual(["200 ", "200 "]);
  expect(bounds).toEqual({ min: 5n, max: null });
});

test("bytes that are no text are not signed, whatever way they come", async () => {
  const port = ports.get("registered")?.port.address.port ?? 0;
  for (const message of ["%FF%FE", `${"%8f".repeat(32)}`, "a%00b", "%C2%85"]) {
    const { status } = await rawRequest(port, { method: "GET", target: `/signMessage?message=${message}` });
    expect(`${message} ${status}`).toBe(`${message} 400`);
  }
});
