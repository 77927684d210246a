// Goal: a go-livepeer command line does here what it does there, or something better that is written down.
// Method: replay every recorded start of the real binary (test/vectors/operator-flags.json) through the
// parser and compare: started or not, exit code, error text, settings table. Each difference has a reason below;
// a difference without a reason, and a reason without a difference, fail.
import { describe, expect, test } from "bun:test";
import vectors from "../../vectors/operator-flags.json";
import type { PriceSetting, PricingConfig } from "../../../src/config/config.ts";
import { weiPerCurrency } from "../../../src/protocol/currency.ts";
import { divide, formatRational, multiply } from "../../../src/protocol/rational.ts";
import { parse } from "./parseSupport.ts";

type Run = {
  readonly id: string;
  readonly kind: string;
  readonly base?: string;
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly config?: string;
  readonly started?: boolean;
  readonly exitCode?: number;
  readonly stderr?: readonly string[];
  readonly stdout?: readonly string[];
  readonly settingsTable?: readonly string[];
  readonly probe?: unknown;
};

/** What we do instead: `runs`, or a start that fails with a text that contains this. */
type Difference = { readonly runs: true } | { readonly says: string; readonly exitCode: 1 | 2 };

const remoteOnly: Difference = { says: "remote transcoders, which cannot attach", exitCode: 1 };
const aloneTranscoder: Difference = { says: "remote transcoder, which Reprise cannot be yet", exitCode: 1 };
const refused: Difference = { says: "is not possible here", exitCode: 1 };
const runs: Difference = { runs: true };
/** Its text is go-livepeer's, which ends with 0 and so looks like success to a supervisor. */
const sameText = (says: string): Difference => ({ says, exitCode: 1 });
const says = (text: string, exitCode: 1 | 2 = 1): Difference => ({ says: text, exitCode });

const differences: Readonly<Record<string, Difference>> = {
  // Go forgets everything behind a stray word in silence; we say so.
  "parse.stops-at-word": { says: "`false` is not a flag", exitCode: 2 },
  "parse.double-dash-ends": { says: "`--` is not a flag", exitCode: 2 },
  "parse.bool-with-separate-value": { says: "`true` is not a flag", exitCode: 2 },
  // A folder is no config file; go-livepeer starts without settings.
  "config.directory": { says: "is a directory", exitCode: 1 },
  // Without a role we are a solo orchestrator.
  "role.none": runs,
  "role.none-with-network": runs,
  // Roles and parts of later releases.
  "role.orch-with-secret": remoteOnly,
  "role.orch-with-secret-file": remoteOnly,
  "role.orch-secret-missing-file-is-literal": remoteOnly,
  "maxSessions.auto-standalone": remoteOnly,
  "role.transcoder-without-secret": aloneTranscoder,
  "role.transcoder-without-addr": aloneTranscoder,
  "role.aiworker-no-models": refused,
  "role.remoteSigner-offchain": refused,
  "role.redeemer-offchain": says("-redeemer needs a chain"),
  "objectStore.bad": { says: "Error creating object store driver: unrecognized OS scheme: foo", exitCode: 1 },
  "useLiveRunners.without-secret": refused,
  "liveRunnerConfig.missing": refused,
  "liveRunnerConfig.bad": refused,
  "liveRunnerProxyUrl.bad": refused,
  "liveRunnerAddr.bad": refused,
  "aiModels.missing": refused,
  // Addresses that nobody could reach.
  "serviceAddr.gopher": { says: "Error getting service URI", exitCode: 1 },
  "serviceAddr.no-port": { says: "missing port", exitCode: 1 },
  "nodes.http": { says: "an instance must be https", exitCode: 1 },
  "httpAddr.path": { says: "-httpAddr must not include a path", exitCode: 2 },
  // go-livepeer ends with 0 here, which a supervisor takes for success.
  "cliAddr.bad": { says: "listen tcp: address x:y:z: too many colons in address", exitCode: 1 },
  // Found by sockets, disks and devices, not by the parser.
  "httpAddr.in-use": runs,
  "cliAddr.in-use": runs,
  "dataDir.file": runs,
  "nvidia.all-none": runs,
  "nvidia.index-none": runs,
  "nvidia.word": { says: "Error while parsing '-nvidia x' flag", exitCode: 2 },
  // No message broker is dialled here.
  "metadataQueueUri.bad": runs,
  // Found by the chain, not by the parser: currencies of the price feed, contracts, keys, the endpoint.
  "pricePerUnit.0.13USD": runs,
  "pricePerGateway.USD": runs,
  "ethUrl.down": runs,
  "ethUrl.not-a-node": runs,
  "ethController.wrong": runs,
  "network.mainnet-other-chain": runs,
  "ethPassword.wrong": runs,
  "ethPassword.empty-no-terminal": runs,
  // Read as currencies by go-livepeer, which then asks the feed for them.
  "pricePerUnit.1e3": says("e3 is read as a currency: write the number out", 2),
  "pricePerUnit.0x10": says("x10 is read as a currency: write the number out", 2),
  "pricePerUnit.1gwei": says("gwei is no currency here: write the price in wei", 2),
  // Prices and tickets with which nobody could pay, or that nobody can mean.
  "ticketEV.0": says("no gateway could ever pay"),
  "ticketEV.-1": sameText("-ticketEV must be greater than 0, but -1 provided. Restart the node"),
  "ticketEV.x": sameText("-ticketEV must be a valid integer, but x provided. Restart the node"),
  "ticketEV.1.5": sameText("-ticketEV must be a valid integer, but 1.5 provided. Restart the node"),
  "ticketEV.1e9": sameText("-ticketEV must be a valid integer, but 1e9 provided. Restart the node"),
  "ticketEV.1_000": sameText("-ticketEV must be a valid integer, but 1_000 provided. Restart the node"),
  "ticketEV.": sameText("-ticketEV must be a valid integer, but  provided. Restart the node"),
  "ticketEV.0x10": sameText("-ticketEV must be a valid integer, but 0x10 provided. Restart the node"),
  "maxFaceValue.-1": says("-maxFaceValue must not be negative, but -1 provided", 2),
  "maxFaceValue.": says("-maxFaceValue must be a valid integer, but  provided", 2),
  "maxGasPrice.-1": says("-maxGasPrice must not be negative, provided -1"),
  "minGasPrice.negative": says("-minGasPrice must not be negative, provided -1"),
  // go-livepeer gives every transaction up at once, and has no delay to draw.
  "transactionTimeout.0": says("-transactionTimeout must be at least 1s, provided 0s"),
  "initializeRoundMaxDelay.negative": says("-initializeRoundMaxDelay must not be negative, provided -1s"),
  // A known registry of another chain: go-livepeer meets nothing there once it looks.
  aiServiceRegistry: says("no service registry of the AI network is known on -network devnet"),
  "blockPollingInterval.0": says("-blockPollingInterval must be greater than 0, provided 0", 2),
  "blockPollingInterval.negative": says("-blockPollingInterval must be greater than 0, provided -1", 2),
  // go-livepeer ignores a whole list that it cannot read, panics for some entries, and takes any text as address.
  "pricePerGateway.bad-json": says("gateway prices could not be parsed: it is neither JSON nor"),
  "pricePerGateway.no-pixels": says("pixelsperunit is missing"),
  "pricePerGateway.zero-pixels": says("pixelsperunit must be > 0, provided 0"),
  "pricePerGateway.strings": says('value is not a number: "5"'),
  "pricePerGateway.bad-address": says('ethaddress "0x12": it is not 0x and 40 hexadecimal digits'),
  "pricePerGateway.negative": says("priceperunit must not be negative, provided -5"),
  // Addresses that are none: go-livepeer pads or cuts them, and makes a new account for an unknown one.
  "ethController.missing": says("-network devnet is no network whose controller contract is known"),
  "ethController.word": says("-ethController foo is no address"),
  "ethAcctAddr.word": says("-ethAcctAddr foo is no address"),
  "ethOrchAddr.bad": says("-ethOrchAddr foo is no address"),
  "priceFeedAddr.bad": says("-priceFeedAddr foo is no address"),
  "ethUrl.bad-scheme": sameText(
    'Failed to connect to Ethereum client: no known transport for URL scheme "foo"',
  ),
  // A gateway's weights do not concern us.
  "selectWeights.sum": runs,
  // Who redeems may come later than who wins.
  "redeemerAddr.down": runs,
  "reward.separate-word": { says: "`false` is not a flag", exitCode: 2 },
  "aiModels.price-missing": remoteOnly,
  "aiModels.bad-pipeline": refused,
  "aiModels.bad-json": refused,
  "aiModels.price-only": refused,
};

/** Rows of the settings table that differ on purpose: the command line wins over a second spelling. */
const otherRows: Readonly<Record<string, readonly string[]>> = {
  "env.dataDir-over-flag": ["| Datadir | /data |"],
  "config.datadir-over-flag": ["| Datadir | /data |"],
};

const runsOfVectors = (vectors.cases as readonly Run[]).filter(
  (run) => run.kind !== "flag" && run.kind !== "meta",
);

const account = "0x90f8bf6a479f320ead074411a4b0e7944ea8c9c1";

function fill(text: string): string {
  return text
    .replaceAll("{serviceAddr}", "127.0.0.1:18935")
    .replaceAll("{cliAddr}", "127.0.0.1:17935")
    .replaceAll("{dataDir}", "/data")
    .replaceAll("{tmp}", "/etc/op")
    .replaceAll("{servicePort}", "18935")
    .replaceAll("{cliPort}", "17935")
    .replaceAll(/\{(otherListener|otherCli|nothingListens|ethHost)\}/g, "127.0.0.1:16000")
    .replaceAll("{Controller}", "0xD8E8328501E9645d16Cf49539efC04f734606ee4")
    .replaceAll("{account}", account)
    .replaceAll("{keyFile}", "UTC--key");
}

function replay(run: Run) {
  const base = run.base === undefined ? [] : vectors.bases[run.base as "offchain" | "onchain"];
  const files: Record<string, string | null> = {
    "/etc/op": null,
    "/etc/op/x.conf": "maxSessions 8\n",
    "/etc/op/y.conf": "maxSessions 9\n",
    "/etc/op/pw.txt": "pw\n",
    "/etc/op/ks": null,
    "/etc/op/UTC--key": JSON.stringify({ address: account.slice(2), version: 3 }),
    "/etc/op/badkey": "{",
    "/etc/op/g.json":
      '{"gateways":[{"ethaddress":"0x1111111111111111111111111111111111111111","priceperunit":1,"pixelsperunit":2}]}',
  };
  if (run.config !== undefined) files["/etc/op/c0.conf"] = fill(run.config);
  const env = Object.fromEntries(Object.entries(run.env ?? {}).map(([name, text]) => [name, fill(text)]));
  return parse({ argv: [...base, ...(run.args ?? [])].map(fill), env, files });
}

describe("recorded starts", () => {
  test("the vector file holds them all", () => {
    expect(runsOfVectors.length).toBeGreaterThan(215);
    const ids = new Set(runsOfVectors.map((run) => run.id));
    expect(Object.keys(differences).filter((id) => !ids.has(id))).toEqual([]);
  });

  for (const run of runsOfVectors) {
    const difference = differences[run.id];
    test(`operator checks 2-10: ${run.id}${difference === undefined ? "" : " (on purpose unlike go-livepeer)"}`, () => {
      const result = replay(run);
      if (difference !== undefined && "runs" in difference) {
        expect(run.started).toBe(false);
        expect(result.type).toBe("config");
      } else if (difference !== undefined) {
        if (result.type !== "mistakes") throw new Error(`expected mistakes, got ${result.type}`);
        expect(result.text).toContain(difference.says);
        expect(result.exitCode).toBe(difference.exitCode);
      } else if (run.started) {
        expect(result.type === "mistakes" ? result.text : result.type).toBe("config");
      } else {
        if (result.type !== "mistakes") throw new Error(`expected mistakes, got ${result.type}`);
        const recorded = [...(run.stderr ?? []), ...(run.stdout ?? [])]
          .filter((line) => !line.startsWith("Usage of") && !line.startsWith("|"))
          .map((line) => fill(line.replace(/^(?:[EF]|panic:) /, "")));
        expect(recorded).toContain(result.mistakes[0]?.text ?? "");
        expect<number | undefined>(result.exitCode).toBe(run.exitCode);
      }
    });
  }
});

/** What `/status` of the real binary shows as prices, by our config. */
function shownPrices(pricing: PricingConfig): Readonly<Record<string, string>> {
  const priceOf = ({ amount, currency, pixelsPerUnit }: PriceSetting) => {
    const wei = weiPerCurrency(currency, null);
    if (wei.type === "invalid") throw new Error(wei.text);
    return formatRational(multiply(divide(amount, pixelsPerUnit), wei.rate));
  };
  return Object.fromEntries([
    ...[...pricing.perGateway].map(([gateway, price]) => [gateway, priceOf(price)]),
    ["default", priceOf(pricing.base)],
  ]);
}

test("the prices, gas prices and accounts of recorded on-chain starts are ours", () => {
  const compared: string[] = [];
  for (const run of runsOfVectors) {
    const { probe } = run;
    if (run.started !== true || probe === undefined || differences[run.id] !== undefined) continue;
    const { config } = configOfRun(run);
    if (config.chain === null || config.pricing === null) continue;
    const isPrices = typeof probe === "object" && probe !== null && "default" in probe;
    const ours: unknown = isPrices
      ? shownPrices(config.pricing)
      : run.id.startsWith("minGasPrice")
        ? String(config.chain.minGasPrice)
        : run.id.startsWith("maxGasPrice")
          ? String(config.chain.maxGasPrice)
          : null;
    if (ours === null) continue;
    expect<unknown>({ id: run.id, ours }).toEqual({ id: run.id, ours: probe });
    compared.push(run.id);
  }
  expect(compared.length).toBe(20);
  const byKeyFile = runsOfVectors.find((run) => run.id === "ethKeystorePath.file");
  if (byKeyFile === undefined) throw new Error("no recorded run with a key file");
  expect(configOfRun(byKeyFile).config.chain).toMatchObject({
    accountText: account,
    keystorePath: "/etc/op/UTC--key",
  });
});

function configOfRun(run: Run) {
  const result = replay(run);
  if (result.type !== "config") throw new Error(`${run.id}: ${result.text}`);
  return result;
}

test("the settings table shows the recorded rows", () => {
  const compared: string[] = [];
  for (const run of runsOfVectors) {
    if (run.settingsTable === undefined || differences[run.id] !== undefined || run.started === false)
      continue;
    const result = replay(run);
    if (result.type !== "config") throw new Error(`${run.id}: ${result.text}`);
    const baseFields = new Set([
      ...["Network", "CliAddr", "ServiceAddr", "Orchestrator", "Transcoder"],
      // The recorded table of an on-chain start leaves all that its base and a price add out.
      ...(run.base === "onchain"
        ? [
            "EthUrl",
            "EthController",
            "EthAcctAddr",
            "EthPassword",
            "BlockPollingInterval",
            "PricePerUnit",
            "Datadir",
          ]
        : []),
    ]);
    const rows = result.settingsTable
      .split("\n")
      .filter((line) => line.startsWith("|"))
      .map((line) => line.replaceAll(/ +/g, " "))
      .filter((line) => !baseFields.has(line.split(" ")[1] ?? ""));
    const expected = otherRows[run.id] ?? run.settingsTable.filter((row) => row.startsWith("|")).map(fill);
    const isDatadirShown = expected.some((row) => row.startsWith("| Datadir"));
    const shown = rows.filter((row) => isDatadirShown || !row.startsWith("| Datadir"));
    expect({ id: run.id, rows: shown.sort() }).toEqual({ id: run.id, rows: [...expected].sort() });
    compared.push(run.id);
  }
  expect(compared.length).toBeGreaterThan(25);
});
