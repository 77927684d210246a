import { describe, expect, test } from "bun:test";
import vectors from "../../vectors/operator-flags.json";
import { environmentName, findFlag, flagNames, flagOf, suggestFlag } from "../../../src/config/flagTable.ts";
import { statusOn } from "../../../src/config/flag.ts";
import { redactUrl, Secret } from "../../../src/config/secret.ts";
import { configOf, mistakesOf, parse } from "./parseSupport.ts";

/** The least that a start on a chain needs. */
const onChain = [
  ...["-network", "arbitrum-one-mainnet", "-ethUrl", "https://rpc.example/KEY"],
  ...["-pricePerUnit", "1200"],
];

type FlagRow = {
  readonly kind: string;
  readonly name: string;
  readonly type: string;
  readonly default: string;
  readonly envName: string;
};
const flagRows = (vectors.cases as readonly { readonly kind: string }[]).filter(
  (row): row is FlagRow => row.kind === "flag",
);

describe("the flag table", () => {
  // On purpose: one L1 block, which spares the endpoint.
  const otherDefaults: Readonly<Record<string, string>> = { blockPollingInterval: "12" };

  test("knows all 124 flags of go-livepeer with their types, defaults and variables", () => {
    expect(flagRows.length).toBe(124);
    for (const row of flagRows) {
      const name = findFlag(row.name);
      if (name === null) throw new Error(`unknown flag ${row.name}`);
      const flag = flagOf(name);
      const known = {
        name: row.name,
        type: flag.kind,
        default: flag.defaultText,
        envName: environmentName(name),
      };
      expect<unknown>(known).toEqual({
        name: row.name,
        type: row.type,
        default: otherDefaults[row.name] ?? row.default,
        envName: row.envName,
      });
    }
  });

  test("no go-livepeer flag is ever called unknown, whatever its value", () => {
    for (const row of flagRows) {
      const result = parse({ argv: [`-${row.name}=1`] });
      const text = result.type === "mistakes" ? result.text : "";
      expect(text).not.toContain("not defined");
    }
  });

  test("every accepted flag gives exactly one line that names it, and nothing when set to its default", () => {
    for (const name of flagNames) {
      const flag = flagOf(name);
      if (statusOn(flag.status, "offchain").type !== "accepted") continue;
      const changed =
        { bool: flag.default === true ? "false" : "true", duration: "77s" }[flag.kind as "bool"] ?? "77";
      const notices = configOf({ argv: [`-${name}=${changed}`] }).notices;
      expect(notices.filter((notice) => notice.startsWith(`-${name} `)).length).toBe(1);
      if (flag.default === null) continue;
      const unchanged = configOf({ argv: [`-${name}=${flag.defaultText}`] }).notices;
      expect(unchanged.filter((notice) => notice.startsWith(`-${name} `))).toEqual([]);
    }
  });

  test("every refused flag stops the start and says what to use instead", () => {
    for (const name of flagNames) {
      const flag = flagOf(name);
      for (const network of ["offchain", "chain"] as const) {
        const status = statusOn(flag.status, network);
        if (status.type !== "refused") continue;
        const base = network === "chain" ? onChain : [];
        const result = mistakesOf({ argv: [...base, flag.kind === "bool" ? `-${name}` : `-${name}=x`] });
        expect(result.exitCode).toBe(1);
        expect(result.mistakes.map((mistake) => mistake.fix)).toContain(status.instead);
      }
    }
  });
});

describe("a start without any setting", () => {
  const { config, notices, settingsTable } = configOf({});

  // Operator check 1 on purpose otherwise: go-livepeer stops with "No services enabled", we ask no questions.
  test("operator check 1: is a solo off-chain orchestrator on loopback", () => {
    expect(config.node.network).toBe("offchain");
    expect(config.node.serviceUri).toBe("https://127.0.0.1:8935");
    expect(config.listener).toEqual({
      bind: { host: "127.0.0.1", port: 8935 },
      isTls: true,
      certificateHost: "127.0.0.1",
    });
    expect(config.operator.bind).toEqual({ host: "127.0.0.1", port: 7935 });
    expect(config.node.maxSessions).toBe(10);
    expect(config.storage.dataDir).toBe("/home/op/.reprise/offchain");
    expect(config.log).toEqual({ verbosity: 3, format: "text" });
    expect(config.telemetry.otlpEndpoint).toBeNull();
    expect(settingsTable).toBe("");
  });

  test("says what was assumed", () => {
    expect(notices).toEqual([
      "No role was given: running as an orchestrator that transcodes on this machine.",
      "No -serviceAddr was given: gateways are told https://127.0.0.1:8935, which works on this machine only. " +
        "Reprise asks no outside service for a public address.",
    ]);
  });

  test("gives a deeply frozen config", () => {
    for (const slice of [config, ...Object.values(config), config.listener.bind, config.node.nodes]) {
      expect(Object.isFrozen(slice)).toBe(true);
    }
  });
});

describe("the command line", () => {
  test("a leading -- is skipped, and one or two dashes are the same", () => {
    expect(configOf({ argv: ["--", "--maxSessions", "3", "-v=6"] }).config.node.maxSessions).toBe(3);
    expect(configOf({ argv: ["--demo"] }).config.demo.isOn).toBe(true);
  });

  test("operator check 4: a word behind a switch is a mistake with its fix", () => {
    const result = mistakesOf({ argv: ["-reward", "false", "-monitor"] });
    expect(result.exitCode).toBe(2);
    expect(result.mistakes).toEqual([
      {
        flag: "reward",
        text: "`false` is not a flag: go-livepeer would ignore it and everything behind it",
        fix: "A switch takes its value behind an equals sign: write -reward=false.",
        exitCode: 2,
      },
    ]);
    expect(configOf({ argv: ["-reward=false"] }).notices[2]).toStartWith("-reward has no effect off-chain");
  });

  test("all mistakes come together, each with its fix, whatever their source", () => {
    const result = mistakesOf({
      argv: [
        "-maxSessions",
        "0",
        "-foo",
        "bar",
        "-monitr",
        "-gasLimit",
        "x",
        "-nvidia",
        "a,b",
        "-config",
        "f",
      ],
      env: { LP_AUTHWEBHOOKURL: "ftp://x" },
      files: { f: "v=5\n" },
    });
    expect(result.text).toMatchInlineSnapshot(`
      "Reprise did not start: 7 settings need a correction.
        1. flag provided but not defined: -foo
           Fix: Take it out; -help lists every flag.
        2. flag provided but not defined: -monitr
           Fix: Did you mean -monitor? Names are case-sensitive; -help lists every flag.
        3. invalid value "x" for flag -gasLimit: parse error
           Fix: Give a whole number of at most 63 bits, such as 0.
        4. Error parsing config: config file flag "v=5" not defined in flag set
           Fix: Write \`v value\`: no dash, a space between name and value, case as shown.
        5. -maxSessions must be 'auto' or greater than zero
           Fix: Give a whole number above 0. Reprise measures what this machine can do and admits no more than that anyway.
        6. Error setting auth webhook URL URL should be HTTP or HTTPS
           Fix: Give a whole http or https URL, such as -authWebhookUrl https://auth.example/check.
        7. Error while parsing '-nvidia a,b' flag: GPU indices are whole numbers
           Fix: Give indices separated by commas, such as -nvidia 0,1, or -nvidia all; leave it out to use the CPU.
      "
    `);
    expect(result.exitCode).toBe(2);
  });

  test("suggests the nearest name, or none", () => {
    expect(suggestFlag("MaxSessions")).toBe("maxSessions");
    expect(suggestFlag("max-sesions")).toBe("maxSessions");
    expect(suggestFlag("MAX_SESSIONS")).toBe("maxSessions");
    expect(suggestFlag("zzzzqqqq")).toBeNull();
  });

  test("-help, -version and -j print and stop", () => {
    const help = parse({ argv: ["-help"] });
    expect(help.type).toBe("help");
    for (const name of flagNames) expect(help.type === "help" ? help.text : "").toContain(`-${name}`);
    const version = parse({ argv: ["-version", "-orchSecret", "s"] });
    expect(version).toEqual({
      type: "version",
      text:
        "*------------*-----*\n| OrchSecret | *** |\n*------------*-----*\nLivepeer Node Version: 0.1.0\n" +
        "Runtime version: bun 1.4.5\nArchitecture: x64\nOperating system: linux\n",
    });
    const json = parse({ argv: ["-j"] });
    const parsed = JSON.parse(json.type === "json" ? json.text : "null");
    expect(Object.keys(parsed)).toEqual(["name", "desc", "friendly", "optional", "version"]);
    expect(parsed.optional.v).toEqual({
      name: "v",
      help: flagOf("v").help,
      option: "-v",
      default: "3",
      type: "str",
    });
    expect(parsed.optional.monitor.type).toBeUndefined();
  });
});

describe("environment and file", () => {
  test("operator check 2: the command line wins over the environment", () => {
    const result = configOf({ argv: ["-network", "offchain"], env: { LP_NETWORK: "arbitrum-one-mainnet" } });
    expect(result.config.node.network).toBe("offchain");
  });

  test("operator check 3: a comment behind a value, a bare name, and an equals sign", () => {
    const good = configOf({ argv: ["-config", "f"], files: { f: "pricePerUnit 1200 # cheap\nmonitor\n" } });
    expect(good.config.telemetry.isMonitored).toBe(true);
    expect(good.settings.find((setting) => setting.flag === "pricePerUnit")).toEqual({
      flag: "pricePerUnit",
      field: "PricePerUnit",
      valueText: "1200",
      source: "config file",
    });
    const bad = mistakesOf({ argv: ["-config", "f"], files: { f: "pricePerUnit=1200" } });
    expect(bad.exitCode).toBe(1);
    expect(bad.text).toContain("not defined in flag set");
    expect(bad.mistakes[0]?.fix).toStartWith("Write `pricePerUnit value`");
  });

  // Operator sheet 10.9: go-livepeer lets LP_DATADIR override -dataDir, because `datadir` counts as unset.
  test("dataDir and datadir are one flag: the command line wins", () => {
    for (const flag of ["-dataDir", "-datadir"]) {
      const result = configOf({
        argv: [flag, "/cmd", "-config", "f"],
        env: { LP_DATADIR: "/env" },
        files: { f: "datadir /file" },
      });
      expect(result.config.storage.dataDir).toBe("/cmd");
    }
    expect(configOf({ env: { LP_DATADIR: "/env" } }).config.storage.dataDir).toBe("/env");
  });

  test("a variable that looks like a setting but is none is named with the one that was meant", () => {
    expect(configOf({ env: { LP_MAX_SESSIONS: "5", PATH: "/bin" } }).notices[0]).toBe(
      "The environment variable LP_MAX_SESSIONS is not a setting and has no effect. Did you mean LP_MAXSESSIONS?",
    );
  });

  test("a secret comes from the value, or from the file that the value names", () => {
    const secretOf = (argv: readonly string[]) =>
      configOf({
        argv: ["-orchestrator", "-transcoder", ...argv],
        files: { "/s": " pw\n", "/e": "", "/d": null },
      }).config.node.orchSecret?.reveal();
    expect(secretOf(["-orchSecret", "pw2"])).toBe("pw2");
    expect(secretOf(["-orchSecret", "/s"])).toBe("pw");
    expect(secretOf(["-orchSecret", "/e"])).toBe("/e");
    expect(secretOf(["-orchSecret", "/d"])).toBe("/d");
    expect(secretOf([])).toBeUndefined();
  });
});

describe("secrets", () => {
  test("never show in settings, tables, mistakes or printed configs", () => {
    const argv = [
      "-orchSecret",
      "s3cret",
      "-ethPassword",
      "s3cret",
      "-ethUrl",
      "https://u:s3cret@rpc.example/s3cret",
    ];
    const result = configOf({
      argv: [...argv, "-orchestrator", "-transcoder", "-otlpEndpoint", "http://t.example/s3cret"],
      env: { LP_KAFKAPASSWORD: "s3cret", LP_AUTHWEBHOOKURL: "https://a.example/?key=s3cret" },
    });
    const printed = [
      result.settingsTable,
      JSON.stringify(result),
      Bun.inspect(result, { depth: 9 }),
      String(result.notices),
    ];
    for (const text of printed) expect(text).not.toContain("s3cret");
    expect(result.settingsTable).toContain("| EthUrl         | https://***@rpc.example/***");
    expect(result.config.node.authWebhookUrl?.reveal()).toBe("https://a.example/?key=s3cret");
    expect(`${new Secret("x")}`).toBe("***");
  });

  test("a URL keeps its host only", () => {
    expect(redactUrl("https://rpc.example:1/v3/key?a=b")).toBe("https://rpc.example:1/***");
    expect(redactUrl("http://127.0.0.1:4318")).toBe("http://127.0.0.1:4318");
    expect(redactUrl("not a url")).toBe("***");
    expect(redactUrl("")).toBe("");
  });
});

describe("roles", () => {
  test("operator check 8: -orchestrator needs -transcoder", () => {
    const alone = mistakesOf({ argv: ["-orchestrator", "-serviceAddr", "127.0.0.1:8935"] });
    expect(alone.exitCode).toBe(1);
    expect(alone.mistakes[0]?.text).toBe(
      "Running an orchestrator requires an -orchSecret for standalone mode or -transcoder for orchestrator+transcoder mode",
    );
    expect(parse({ argv: ["-orchestrator", "-transcoder", "-serviceAddr", "127.0.0.1:8935"] }).type).toBe(
      "config",
    );
  });

  test("a gateway is refused with what to run instead", () => {
    const result = mistakesOf({ argv: ["-gateway"] });
    expect(result.mistakes.length).toBe(1);
    expect(result.text).toContain("livepeer -gateway");
  });

  test("switching both roles off leaves no service", () => {
    const result = mistakesOf({ argv: ["-orchestrator=false"] });
    expect(result.text).toContain("No services enabled; must be at least one of");
    expect(result.exitCode).toBe(2);
  });
});

describe("addresses", () => {
  const listenerOf = (...argv: string[]) => configOf({ argv }).config.listener;
  const uriOf = (...argv: string[]) => configOf({ argv }).config.node.serviceUri;

  test("a public service address listens everywhere on its port", () => {
    expect(listenerOf("-serviceAddr", "o.example:9000")).toEqual({
      bind: { host: "", port: 9000 },
      isTls: true,
      certificateHost: "o.example",
    });
    expect(uriOf("-serviceAddr", "o.example:9000")).toBe("https://o.example:9000");
  });

  test("a loopback service address listens on loopback only, unless -httpAddr says otherwise", () => {
    expect(listenerOf("-serviceAddr", "127.0.0.1:9000").bind).toEqual({ host: "127.0.0.1", port: 9000 });
    expect(listenerOf("-serviceAddr", "localhost:9000").bind).toEqual({ host: "127.0.0.1", port: 9000 });
    expect(listenerOf("-serviceAddr", "[::1]:9000").bind).toEqual({ host: "::1", port: 9000 });
    expect(listenerOf("-serviceAddr", "127.0.0.1:9000", "-httpAddr", "0.0.0.0:9000").bind.host).toBe(
      "0.0.0.0",
    );
    expect(listenerOf("-serviceAddr", "127.0.0.1:9000", "-httpAddr", ":9001").bind).toEqual({
      host: "",
      port: 9001,
    });
  });

  test("operator check 38: http:// means clear text, other schemes and paths are refused", () => {
    const clear = listenerOf("-httpAddr", "http://127.0.0.1:8935", "-serviceAddr", "http://127.0.0.1:8935");
    expect(clear.isTls).toBe(false);
    expect(listenerOf("-serviceAddr", "http://127.0.0.1:8935").isTls).toBe(false);
    const bad = mistakesOf({ argv: ["-httpAddr", "ftp://x"] });
    expect(bad.exitCode).toBe(2);
    expect(bad.text).toContain('unsupported -httpAddr scheme \\"ftp\\"');
  });

  test("-httpAddr alone decides what gateways are told", () => {
    expect(uriOf("-httpAddr", "127.0.0.1:9000")).toBe("https://127.0.0.1:9000");
    expect(uriOf("-httpAddr", ":9000")).toBe("https://127.0.0.1:9000");
    expect(uriOf("-httpAddr", "http://10.0.0.7:9000")).toBe("http://10.0.0.7:9000");
    expect(uriOf("-httpAddr", "[::]:9000")).toBe("https://127.0.0.1:9000");
  });

  // Nothing here knows of a chain: what was given is told to gateways as it is.
  test("chain check 21: an address that was given is advertised, with https, whatever the registry says", () => {
    expect(uriOf("-serviceAddr", "1.2.3.4:8935")).toBe("https://1.2.3.4:8935");
    expect(uriOf("-serviceAddr", "https://o.example:8935/")).toBe("https://o.example:8935");
  });

  test("operator check 9, chain check 21: none needs -nodes and advertises them with https", () => {
    expect(mistakesOf({ argv: ["-serviceAddr", "none"] }).exitCode).toBe(1);
    const { node, listener } = configOf({
      argv: ["-serviceAddr", "none", "-nodes", "a.example:1, b.example:2,"],
    }).config;
    expect(node.serviceUri).toBe("");
    expect(node.nodes).toEqual(["https://a.example:1", "https://b.example:2"]);
    expect(listener.bind).toEqual({ host: "", port: 8935 });
  });

  test("operator check 10: a bad instance is named", () => {
    expect(mistakesOf({ argv: ["-nodes", "ghi,abc:def"] }).mistakes[0]?.text).toBe(
      "No valid instance URLs parsed from -nodes: Could not parse instance URI 'https://abc:def': " +
        'parse "https://abc:def": invalid port ":def" after host',
    );
  });

  test("the operator port is completed and warned about when it is not on loopback", () => {
    const bindOf = (text: string) => configOf({ argv: ["-cliAddr", text] });
    expect(bindOf(":9000").config.operator.bind).toEqual({ host: "127.0.0.1", port: 9000 });
    expect(bindOf("127.0.0.2").config.operator.bind).toEqual({ host: "127.0.0.2", port: 7935 });
    expect(bindOf("[::1]").config.operator.bind).toEqual({ host: "::1", port: 7935 });
    expect(bindOf(":9000").notices.join()).not.toContain("asks for no password");
    expect(bindOf("0.0.0.0:9000").notices.join()).toContain("asks for no password");
  });

  test("two ports on one address are refused", () => {
    expect(mistakesOf({ argv: ["-cliAddr", "127.0.0.1:8935"] }).text).toContain("are both 127.0.0.1:8935");
    expect(mistakesOf({ argv: ["-cliAddr", "127.0.0.1:9", "-httpAddr", ":9"] }).text).toContain(
      "another port",
    );
    expect(configOf({ argv: ["-cliAddr", ":0", "-httpAddr", "127.0.0.1:0"] }).config.operator.bind.port).toBe(
      0,
    );
  });

  test("bad service addresses are refused with the reason", () => {
    const reasonOf = (text: string) => mistakesOf({ argv: ["-serviceAddr", text] }).mistakes[0]?.text;
    expect(reasonOf("https://a b")).toBe(
      'Error getting service URI: parse "https://a b": invalid character " " in host name',
    );
    expect(reasonOf("h:0")).toContain("invalid port");
    expect(reasonOf("h:65536")).toContain("invalid port");
    expect(reasonOf("https://h:1/path")).toContain("nothing may follow the port");
    expect(reasonOf("u:p@h:1")).toContain("user info");
    expect(reasonOf("http://")).toContain("invalid host");
    expect(reasonOf("h")).toContain("missing port");
  });
});

describe("transcoding", () => {
  const workersOf = (...argv: string[]) => configOf({ argv }).config.workers;

  test("GPUs, capacity and processes", () => {
    expect(workersOf()).toEqual({
      nvidia: null,
      isTranscoderTested: true,
      hevcDecoding: null,
      processCount: null,
      pixelsPerSecond: null,
    });
    expect(workersOf("-nvidia", "0,2,0").nvidia).toEqual(["0", "2"]);
    expect(workersOf("-nvidia", "all").nvidia).toBe("all");
    expect(workersOf("-capacity", "5e7", "-workers", "2")).toMatchObject({
      pixelsPerSecond: 5e7,
      processCount: 2,
    });
    for (const text of ["0", "-1", "x", "1e30", ""]) {
      expect(mistakesOf({ argv: [`-capacity=${text}`] }).text).toContain("-capacity must be");
    }
    expect(mistakesOf({ argv: ["-workers=-1"] }).text).toContain("-workers must be");
  });

  test("HEVC decoding has three states", () => {
    expect(workersOf("-hevcDecoding").hevcDecoding).toBe(true);
    expect(workersOf("-hevcDecoding=false").hevcDecoding).toBe(false);
    expect(configOf({ env: { LP_HEVCDECODING: "false" } }).config.workers.hevcDecoding).toBe(false);
  });

  test("operator check 5: limits of sessions", () => {
    const solo = ["-orchestrator", "-transcoder"];
    expect(mistakesOf({ argv: [...solo, "-maxSessions", "auto"] }).mistakes[0]?.text).toBe(
      "-maxSessions 'auto' cannot be used when both -orchestrator and -transcoder are specified",
    );
    expect(mistakesOf({ argv: [...solo, "-maxSessions", "0"] }).exitCode).toBe(1);
    expect(configOf({ argv: ["-maxSessions", "010"] }).config.node.maxSessions).toBe(10);
  });

  test("operator check 6: two kinds of accelerators", () => {
    const result = mistakesOf({ argv: ["-nvidia", "0", "-netint", "x"] });
    expect(result.exitCode).toBe(1);
    expect(result.text).toContain("both -netint and -nvidia arguments specified, this is not supported");
  });
});

test("a verbosity that is no number is noted and does not stop the start", () => {
  const result = configOf({ argv: ["-v", "abc"] });
  expect(result.config.log.verbosity).toBe(3);
  expect(result.notices).toContain("-v abc is not a number: using 3.");
});

test("metrics flags without -monitor are noted", () => {
  const { config, notices } = configOf({ argv: ["-metricsClientIP"] });
  expect(config.telemetry).toMatchObject({ isMonitored: false, isPerStream: true, isClientIpLabelled: true });
  expect(notices.join()).toContain("no effect without -monitor");
});
