// Writes docs/reference/metrics.md from what src/telemetry registers, so that what is documented is what is served.
// `bun scripts/generateMetricsDocs.ts` writes it; a unit test compares them.
import { writeFileSync } from "node:fs";
import { createLivepeerMetrics } from "../src/telemetry/livepeerMetrics.ts";
import { createMetricsRegistry, type MetricsRegistry } from "../src/telemetry/metrics.ts";
import { addProcessMetrics } from "../src/telemetry/processMetrics.ts";
import { createRepriseMetrics } from "../src/telemetry/repriseMetrics.ts";

/** Path of the reference page, from the root of the repository. */
export const metricsPath = "docs/reference/metrics.md";

/** The reference page: one table for each origin of names. */
export function renderMetrics(): string {
  const plain = registryWith(false);
  const perStream = labelsOf(registryWith(true));
  const table = (prefix: string): readonly string[] => [
    "| Name | Type | Labels | Meaning |",
    "|---|---|---|---|",
    ...plain
      .families()
      .filter(({ name }) => name.startsWith(prefix))
      .map(({ name, type, help, labels = [] }) => {
        const added = (perStream.get(name) ?? []).filter((label) => !labels.includes(label));
        const words = [...labels.map((label) => `\`${label}\``), ...added.map((label) => `(\`${label}\`)`)];
        return `| \`${name}\` | ${type} | ${words.join(", ")} | ${help} |`;
      }),
  ];
  return [
    "# Metrics",
    "",
    "<!-- Written by scripts/generateMetricsDocs.ts from src/telemetry. Edit there, then run the script. -->",
    "",
    "`-monitor` serves them at `/metrics` on the operator port, in the text format of Prometheus. Every series of the",
    "first two tables carries `node_id` and `node_type`, but `livepeer_versions` and `reprise_heap_*`. Labels in",
    "brackets come with `-metricsPerStream`, `client_ip` with `-metricsClientIP`. A series appears with its first",
    "value.",
    "",
    "Amounts of money are in gwei; prices in wei per pixel. They are shown as floating point numbers, and nothing is",
    "ever decided from them: `bun run ledger` gives exact sums.",
    "",
    "## As in go-livepeer",
    "",
    ...table("livepeer_"),
    "",
    "## Of Reprise",
    "",
    ...table("reprise_"),
    "",
    "Worth an alert: `reprise_tickets_expired_gwei_total` rises (money was lost), `reprise_chain_readable` is 0 for",
    "minutes (known gateways are served on what was read before, up to `-maxGatewayLoss`), and",
    "`reprise_tickets_open_gwei` grows without an end (nothing redeems). On a chain also: `reprise_gas_runway_days`",
    "below 7, `reprise_reward_due_seconds` above 3600, `livepeer_reward_call_errors` or",
    '`reprise_transactions_total{outcome="displaced"}` rises (another wallet sends from the account), and',
    "`reprise_rpc_endpoint_usable` is 0 for minutes.",
    "",
    "## Of the process",
    "",
    ...table("process_"),
    "",
  ].join("\n");
}

function registryWith(isPerStream: boolean): MetricsRegistry {
  const registry = createMetricsRegistry({ baseLabels: {} });
  const runtime = { name: "", version: "", operatingSystem: "" };
  const labelled = { isPerStream, isClientIpLabelled: isPerStream };
  createLivepeerMetrics({ registry, ...labelled, maxSessions: 0, version: "", runtime });
  createRepriseMetrics(registry);
  addProcessMetrics(registry, () => 0);
  return registry;
}

function labelsOf(registry: MetricsRegistry): ReadonlyMap<string, readonly string[]> {
  return new Map(registry.families().map(({ name, labels }) => [name, labels ?? []]));
}

if (import.meta.main && process.argv.includes("--help")) {
  console.log(`Writes ${metricsPath} from src/telemetry. No options.`);
} else if (import.meta.main) {
  writeFileSync(new URL(`../${metricsPath}`, import.meta.url), renderMetrics());
  console.log(`Wrote ${metricsPath}.`);
}
