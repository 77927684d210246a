// Writes docs/reference/configuration.md and reprise.example.conf from the flag table in src/config, so that what is
// documented is what is parsed. `bun scripts/generateConfigDocs.ts` writes both; a unit test compares them.
import { writeFileSync } from "node:fs";
import { type AnyFlag, isUseful, type PlainStatus } from "../src/config/flag.ts";
import { environmentName, type FlagName } from "../src/config/flagTable.ts";
import { flagsInGroup, groupOrder, groupTitles } from "../src/config/helpText.ts";
import { networkOf } from "../src/config/networks.ts";

/** Path of the reference page, from the root of the repository. */
export const referencePath = "docs/reference/configuration.md";

/** Path of the example, from the root of the repository. */
export const examplePath = "reprise.example.conf";

/** The reference page: how settings are given, then one table of flags for each group. */
export function renderReference(): string {
  const lines = [
    "# Configuration",
    "",
    "<!-- Written by scripts/generateConfigDocs.ts from src/config. Edit there, then run the script. -->",
    "",
    "Without any setting, `bun run orchestrator` is an off-chain orchestrator that transcodes on this machine.",
    "",
    "## How settings are given",
    "",
    "| Where | How | Wins over |",
    "|---|---|---|",
    "| command line | `-name value` or `-name=value`, one or two dashes; a switch takes its value only as `-name=false` | everything |",
    "| environment | `LP_` and the name in capitals: `LP_MAXSESSIONS=5`; an empty variable counts as unset | file, default |",
    "| file | `-config <path>`: one `name value` on each line; ` #` starts a comment; a name alone is `true` | default |",
    "",
    "Names are case-sensitive; `datadir` and `dataDir` are one flag. `reprise.example.conf` shows a file with every",
    "setting that works.",
    "",
    "All mistakes are reported together, each with its fix, and the exit status is not zero: 2 when the first one is",
    "in the command line itself, 1 otherwise. A word that belongs to no flag (`-reward false`) is a mistake, where",
    "go-livepeer would ignore it and everything behind it.",
    "",
    "Passwords and keys show as `***` wherever settings are printed; of URLs that may hold a key only the host shows.",
    "",
    "## What a status means",
    "",
    "Status: **works**; *accepted*: taken without an effect, and a line at the start says so; *refused*: the start",
    "fails and says what to use instead. Flags with a status *on a chain* are accepted off-chain, where they have no",
    "effect: there are no payments and no chain to watch.",
    "",
    "## On a chain",
    "",
    "Everything but `-network offchain` is a chain. It needs `-ethUrl`, a key in the key store and `-pricePerUnit`.",
    "",
    "| `-network` | Controller | Lowest gas price | Gas to redeem a ticket |",
    "|---|---|---|---|",
    ...["arbitrum-one-mainnet", "mainnet", "arbitrum-one-rinkeby", "rinkeby"].map((name) => {
      const network = networkOf(name);
      return `| \`${name}\` | \`${network.controller}\` | ${network.minGasPrice} wei | ${network.redeemGas} |`;
    }),
    `| any other word | \`-ethController\` | ${networkOf("").minGasPrice} wei | ${networkOf("").redeemGas} |`,
    "",
    "Where go-livepeer goes on or panics, a start on a chain fails with a clear text:",
    "",
    "- an address that is not 40 hexadecimal digits, or whose capital letters are a wrong checksum;",
    "- a list of `-pricePerGateway` that cannot be read, or one bad entry in it (go-livepeer ignores the whole list and",
    "  serves those gateways at the base price);",
    "- `-ticketEV 0` with a price above 0, and a `-maxFaceValue` below `-ticketEV`: no gateway could ever pay;",
    "- negative prices, gas prices and face values, and a `-blockPollingInterval` below 1;",
    "- a `-transactionTimeout` below one second and a negative `-initializeRoundMaxDelay`;",
    "- `-aiServiceRegistry` on a network whose registry is not known and not given with `-aiServiceRegistryAddr`;",
    "- a price with an exponent (`1e3`) or in gwei, which go-livepeer asks the price feed for.",
    "",
    "An idle chain is read every 12 seconds, one L1 block, where go-livepeer's default is 5: with less than a sixth of its",
    "requests. While something is under way it is read more often. A `-blockPollingInterval` that is given is kept.",
    "",
    "`-ethUrl` may list several endpoints. All of them are used: the best one for reading, every one for sending.",
    "What ends something for ever, such as a ticket that has expired, needs two that agree. One that says nothing for 15",
    "seconds, or is out of service otherwise for 60, is not waited for, as long as another one answers: with two endpoints",
    "that one then decides alone. Three, of three providers, are safer.",
    "",
    "### Keys",
    "",
    "A key file given with `-ethKeystorePath` is the one that is used. No key is ever made. Three keys may have three",
    "roles, all from the same key store (for a key file: from its folder):",
    "",
    "| Role | Account | Pass phrase | Unset |",
    "|---|---|---|---|",
    "| signs towards gateways | `-ethAcctAddr` | `-ethPassword` | the only account there |",
    "| receives tickets, is registered | `-ethOrchAddr`, whose key may stay cold | none | the own account |",
    "| calls reward, as the orchestrator's reward caller (LIP-118) | `-rewardAcctAddr` | `-rewardPassword` | the own account |",
    "| pays gas, redeems tickets | `-redeemerAcctAddr` | `-redeemerPassword` | the own account |",
    "",
    "A pass phrase that is not given is tried as the empty one, then asked for when a terminal is there.",
    "",
    "## The flags",
  ];
  for (const group of groupOrder) {
    lines.push(
      "",
      `### ${groupTitles[group]}`,
      "",
      "| Flag | Type | Default | Status | Meaning |",
      "|---|---|---|---|---|",
    );
    for (const [name, flag] of flagsInGroup(group)) lines.push(referenceRow(name, flag));
  }
  return `${lines.join("\n")}\n`;
}

function referenceRow(name: FlagName, flag: AnyFlag): string {
  const defaultCell = flag.defaultText === "" ? "" : `\`${flag.defaultText}\``;
  const cells = [`\`-${name}\``, flag.kind, defaultCell, statusCell(flag), flag.help.replaceAll("|", "\\|")];
  return `| ${cells.join(" | ")} |`;
}

function statusCell({ status }: AnyFlag): string {
  return status.type === "chain" ? `on a chain ${plainCell(status.onChain)}` : plainCell(status);
}

function plainCell(status: PlainStatus): string {
  switch (status.type) {
    case "works":
      return "**works**";
    case "accepted":
      return `*accepted*: ${status.notice}`;
    case "refused":
      return `*refused*: ${status.instead}`;
  }
}

/** The example file: every setting that works, commented out, with its default or the place for a value. */
export function renderExample(): string {
  const lines = [
    "# An example for `bun run orchestrator -- -config reprise.example.conf`.",
    "# One `name value` on each line. Take the # away and change the value, which is the default so far;",
    "# settings with <string> behind them are empty by default.",
    "# Written by scripts/generateConfigDocs.ts from src/config.",
  ];
  for (const group of groupOrder) {
    const rows = flagsInGroup(group).filter(([name, flag]) => isUseful(flag.status) && isForFiles(name));
    if (rows.length === 0) continue;
    lines.push("", `# ${groupTitles[group]}`);
    for (const [name, flag] of rows) {
      lines.push("", `# ${flag.help} (${environmentName(name)})`);
      // Three states cannot show their default as a line: the third one is that there is no line.
      if (flag.default === null && flag.kind === "bool")
        lines.push(`# ${name} true, ${name} false, or no line at all`);
      else if (flag.default === null) lines.push(`#${name} <${flag.kind}>`);
      // A name alone would mean `true`: what is empty by default shows a placeholder instead.
      else if (flag.defaultText === "") lines.push(`#${name} <${flag.kind}>`);
      else lines.push(`#${name} ${flag.defaultText}`);
    }
  }
  return `${lines.join("\n")}\n`;
}

/** Flags that ask for one action make no sense in a file; without a role line the node is what it should be. */
function isForFiles(name: FlagName): boolean {
  return !["config", "version", "j", "demo", "orchestrator", "transcoder"].includes(name);
}

if (import.meta.main) {
  if (process.argv.includes("--help")) {
    console.log(`Writes ${referencePath} and ${examplePath} from src/config. No options.`);
  } else {
    const root = new URL("../", import.meta.url);
    writeFileSync(new URL(referencePath, root), renderReference());
    writeFileSync(new URL(examplePath, root), renderExample());
    console.log(`Wrote ${referencePath} and ${examplePath}.`);
  }
}
