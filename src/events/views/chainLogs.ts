import type { WatchEvent } from "../watch.ts";
import { storedBlock } from "./storedBlock.ts";
import type { View } from "./view.ts";

/**
 * A row a log of Livepeer's contracts that concerns us and stands in the chain: what a re-org undoes goes. Amounts are
 * a JSON list of decimal texts.
 */
export const chainLogsView: View = {
  name: "chain-logs",
  version: 1,
  tables: ["chain_logs"],
  types: ["BlocksSeen", "BlocksUndone"],
  statements: [
    "INSERT OR REPLACE INTO chain_logs VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    "DELETE FROM chain_logs WHERE block > ?1",
  ],
  project: ({ seq, atMs, event: anyEvent }) => {
    const event = anyEvent as WatchEvent;
    switch (event.type) {
      case "BlocksSeen":
        return event.logs.map((log) => {
          const place = [storedBlock(log.block), log.index, log.blockHash, log.transaction];
          const amounts = JSON.stringify(log.amounts.map(String));
          return [0, [...place, log.name, log.account, log.other, amounts, log.text, seq, atMs]] as const;
        });
      case "BlocksUndone":
        return [[1, [storedBlock(event.block)]]];
      default:
        return [];
    }
  },
};
