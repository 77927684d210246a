import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { metricsPath, renderMetrics } from "../../../scripts/generateMetricsDocs.ts";

test("the reference page equals what is registered", () => {
  const page = readFileSync(new URL(`../../../${metricsPath}`, import.meta.url), "utf8");
  expect(page).toBe(renderMetrics());
  for (const name of ["livepeer_ticket_value_recv", "reprise_tickets_open_gwei", "process_open_fds"]) {
    expect(page).toContain(`| \`${name}\` |`);
  }
});
