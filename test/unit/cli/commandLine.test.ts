import { describe, expect, test } from "bun:test";
import { UsageError } from "../../../src/cli/cliError.ts";
import { allowOptions, readCommandLine } from "../../../src/cli/commandLine.ts";
import { parseRegistryUri } from "../../../src/cli/serviceUri.ts";
import { cliRun } from "../../support/cliRun.ts";

describe("command line", () => {
  test("words, options and the node's flags are told apart, in any order, with one dash or two", () => {
    const line = readCommandLine([
      ...["--", "-network", "devnet", "bond", "--to", "0xab", "100", "-yes", "--ethUrl=http://x", "-monitor"],
    ]);
    expect(line.words).toEqual(["bond", "100"]);
    expect(line.options).toEqual({ to: "0xab", yes: true });
    expect(line.nodeArgv).toEqual(["-network", "devnet", "--ethUrl=http://x", "-monitor"]);
  });

  test.each([
    [["bond", "--amuont", "5"], "no option"],
    [["bond", "--to"], "needs its value"],
    [["bond", "--yes=1"], "takes no value"],
    [["bond", "--to", "a", "--to", "b"], "given twice"],
    [["bond", "-5"], "not negative"],
  ])("%p is refused", (argv, why) => {
    expect(() => readCommandLine(argv)).toThrow(UsageError);
    expect(() => readCommandLine(argv)).toThrow(why);
  });

  test("an option that a command has no use for is refused, not dropped", () => {
    expect(() => allowOptions("status", { to: "0xab" }, [])).toThrow("takes no `--to`");
    expect(() => allowOptions("status", { json: true }, [])).not.toThrow();
  });
});

// Method: no chain is configured, so that whatever gets past the words would fail with other text.
describe("words that are wrong are found before anything is asked", () => {
  const poll = `0x${"ab".repeat(20)}`;
  const bad: readonly (readonly [readonly string[], string])[] = [
    [["frobnicate"], "There is no command `frobnicate`"],
    [["status", "now"], "one word too many"],
    [["bond"], "AMOUNT is missing"],
    [["bond", "ten"], "no amount"],
    [["bond", "1", "2"], "one word too many"],
    [["bond", "1", "--to", "0x12"], "no address"],
    [["bond", "1", "--reason", "x"], "takes no `--reason`"],
    [["unbond", "-1"], "not negative"],
    [["unbond", "1.5wei"], "no fraction of a wei"],
    [["rebond", "first"], "no lock"],
    [["withdraw-stake"], "LOCK is missing"],
    [["withdraw-fees", "some"], "no amount"],
    [["set-cuts"], "Give `--rewardCut`"],
    [["set-cuts", "--rewardCut", "101"], "more than 100 percent"],
    [["set-cuts", "--feeCut", "0.57123"], "too fine"],
    [["set-service-uri", "https://0.0.0.0:8935"], "service address must be a public IP address or hostname"],
    [["set-service-uri", "0.0.0.0:8935"], "service address must be a public IP address or hostname"],
    [["set-service-uri", "http://o.example:8935"], "must begin with https://"],
    [["set-service-uri", "https://o.example"], "needs its port"],
    [["set-service-uri", "https://o.example:99999"], "invalid port"],
    [["set-service-uri", "https://o.example:8935", "--registry", "all"], "takes both, main, ai"],
    [["register", "100"], "Give `--rewardCut` and `--feeCut`"],
    [["register", "100", "--rewardCut", "10"], "Give `--rewardCut` and `--feeCut`"],
    [["register", "100", "--rewardCut", "10", "--feeCut", "95", "--lock", "1"], "one word too many"],
    [["transfer", "5"], "0x… is missing"],
    [["transfer", poll, "5"], "no amount"],
    [["vote", poll, "maybe"], "takes yes, no"],
    [["vote", "poll", "yes"], "no address"],
    [["vote-proposal", "1", "yes"], "takes against, for, abstain"],
    [["vote-proposal", "1", "for", "--reason", "x".repeat(1_001)], "more than 1000 bytes"],
    [["vote-proposal", "-1", "for"], "not negative"],
    [["reward-caller"], "takes set, unset"],
    [["reward-caller", "set"], "0x… is missing"],
    [["reward-caller", "unset", poll], "one word too many"],
    [["send"], "is missing"],
  ];

  test.each(bad.map(([argv, why]) => [argv.join(" ").slice(0, 60), argv, why] as const))(
    "%s",
    async (_, argv, why) => {
      const { code, out, err } = await cliRun(argv);
      expect(err).toContain(why);
      expect(code).toBe(2);
      expect(out).toBe("");
    },
  );

  test("without a chain commands say what is missing", async () => {
    const offchain = await cliRun(["status", "-dataDir", "/nowhere"]);
    expect(offchain).toMatchObject({ code: 2, out: "" });
    expect(offchain.err).toContain("These commands need a chain. Give -network and -ethUrl");
    const noUrl = await cliRun(["status", "-network", "devnet", "-dataDir", "/nowhere"]);
    expect(noUrl.code).toBe(2);
    expect(noUrl.err).toContain("Need to specify an Ethereum node JSON-RPC URL using -ethUrl");
    expect(noUrl.err).toContain("-ethController");
  });

  test("help lists every command, and explains one", async () => {
    const all = await cliRun(["--help"]);
    expect(all.code).toBe(0);
    for (const name of ["register", "vote-proposal", "initialize-round", "reward-caller", "send"]) {
      expect(all.out).toContain(`bun run cli ${name}`);
    }
    const one = await cliRun(["bond", "--help"]);
    expect(one.out).toContain("bond AMOUNT [--to 0x…]");
    expect((await cliRun([])).code).toBe(2);
  });
});

test("chain check 20: an address nobody can reach is refused in go-livepeer's words", () => {
  expect(parseRegistryUri("https://0.0.0.0:8935")).toEqual({
    type: "bad",
    text: "service address must be a public IP address or hostname",
  });
  expect(parseRegistryUri("1.2.3.4:8935")).toEqual({ type: "ok", value: "https://1.2.3.4:8935" });
  expect(parseRegistryUri("https://o.example:8935/")).toEqual({
    type: "ok",
    value: "https://o.example:8935",
  });
});
