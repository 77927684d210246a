// Goal: a go-livepeer command line does here what it does there, or something better that is written down.
// Method: replay every recorded off-chain start of the real binary (test/vectors/operator-flags.json) through the
// parser and compare: started or not, exit code, error text, settings table. Each difference has a reason below;
// a difference without a reason, and a reason without a difference, fail.
import { describe, expect, test } from "bun:test";
import vectors from "../../vectors/operator-flags.json";
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
};

/** What we do instead: `runs`, or a start that fails with a text that contains this. */
type Difference = { readonly runs: true } | { readonly says: string; readonly exitCode: 1 | 2 };

const remoteOnly: Difference = { says: "remote transcoders, which cannot attach", exitCode: 1 };
const aloneTranscoder: Difference = { says: "remote transcoder, which Reprise cannot be yet", exitCode: 1 };
const refused: Difference = { says: "is not possible here", exitCode: 1 };
const noChain: Difference = { says: "Reprise serves no chain yet", exitCode: 1 };
const runs: Difference = { runs: true };

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
  "role.redeemer-offchain": refused,
  "network.unknown-offline": noChain,
  "ethUrl.missing": noChain,
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
};

/** Rows of the settings table that differ on purpose: the command line wins over a second spelling. */
const otherRows: Readonly<Record<string, readonly string[]>> = {
  "env.dataDir-over-flag": ["| Datadir | /data |"],
  "config.datadir-over-flag": ["| Datadir | /data |"],
};

const runsOfVectors = (vectors.cases as readonly Run[]).filter(
  (run) => run.kind !== "flag" && run.kind !== "meta",
);

function fill(text: string): string {
  return text
    .replaceAll("{serviceAddr}", "127.0.0.1:18935")
    .replaceAll("{cliAddr}", "127.0.0.1:17935")
    .replaceAll("{dataDir}", "/data")
    .replaceAll("{tmp}", "/etc/op")
    .replaceAll("{servicePort}", "18935")
    .replaceAll("{cliPort}", "17935")
    .replaceAll(/\{(otherListener|otherCli|nothingListens)\}/g, "127.0.0.1:16000");
}

function replay(run: Run) {
  const base = run.base === undefined ? [] : vectors.bases.offchain;
  const files: Record<string, string | null> = {
    "/etc/op": null,
    "/etc/op/x.conf": "maxSessions 8\n",
    "/etc/op/y.conf": "maxSessions 9\n",
  };
  if (run.config !== undefined) files["/etc/op/c0.conf"] = fill(run.config);
  const env = Object.fromEntries(Object.entries(run.env ?? {}).map(([name, text]) => [name, fill(text)]));
  return parse({ argv: [...base, ...(run.args ?? [])].map(fill), env, files });
}

describe("recorded off-chain starts", () => {
  test("the vector file holds them all", () => {
    expect(runsOfVectors.length).toBeGreaterThan(110);
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
          .map((line) => fill(line.replace(/^[EF] /, "")));
        expect(recorded).toContain(result.mistakes[0]?.text ?? "");
        expect<number | undefined>(result.exitCode).toBe(run.exitCode);
      }
    });
  }
});

test("the settings table shows the recorded rows", () => {
  const compared: string[] = [];
  for (const run of runsOfVectors) {
    if (run.settingsTable === undefined || differences[run.id] !== undefined || run.started === false)
      continue;
    const result = replay(run);
    if (result.type !== "config") throw new Error(`${run.id}: ${result.text}`);
    const baseFields = new Set(["Network", "CliAddr", "ServiceAddr", "Orchestrator", "Transcoder"]);
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
