import { renderJson } from "../replay/render.ts";
import { ethText } from "./amounts.ts";
import { CommandUsageError } from "./commandLine.ts";
import { type ImportedRow, type ImportPorts, importTickets } from "./importTickets.ts";
import type { CommandOutput } from "../replay/terminal.ts";

/** What the command line says of an import. */
export type ImportFlags = {
  readonly dataDir: string | undefined;
  readonly path: string | undefined;
  readonly isJson: boolean;
};

/** `tickets import`: a line a row and their counts. Returns 1 when a row was refused. */
export async function runImport(
  { dataDir, path, isJson }: ImportFlags,
  { print }: CommandOutput,
  openImportPorts: () => Promise<ImportPorts>,
): Promise<number> {
  if (dataDir === undefined) throw new CommandUsageError("Name the node's data folder: `--dataDir DIR`.");
  if (path === undefined) throw new CommandUsageError("Name the file to import.");
  const counts = { imported: 0, "imported as redeemed": 0, skipped: 0, refused: 0 };
  let openWei = 0n;
  const report = (row: ImportedRow): void => {
    counts[row.outcome] += 1;
    if (row.outcome === "imported") openWei += row.faceValue ?? 0n;
    if (isJson) print(renderJson({ type: "row", ...row }));
    else {
      const worth = row.faceValue === null ? "" : ` (${row.faceValue} wei)`;
      const reason = row.reason === null ? "" : `: ${row.reason}`;
      print(`${row.place}  ${row.hash ?? "-"}  ${row.outcome}${worth}${reason}`);
    }
  };
  await importTickets(dataDir, path, await openImportPorts(), report);
  const { imported, "imported as redeemed": redeemed, skipped, refused } = counts;
  if (isJson) print(renderJson({ type: "total", imported, redeemed, skipped, refused, openWei }));
  else {
    print(
      `${imported} open tickets of ${openWei} wei (${ethText(openWei)} ETH) imported, ${redeemed} redeemed ones ` +
        `imported, ${skipped} skipped, ${refused} refused.`,
    );
  }
  return refused === 0 ? 0 : 1;
}
