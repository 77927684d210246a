import { parseStreamId } from "../envelope.ts";
import type { RoundEvent } from "../round.ts";
import type { View } from "./view.ts";

/**
 * A row a round of the protocol: what it brought, or why it brought nothing. `cause` and `text` say what keeps the
 * reward back now, and in the end why it was missed.
 */
export const roundsView: View = {
  name: "rounds",
  version: 1,
  tables: ["rounds"],
  types: [
    ...["RoundOpened", "InitializationSubmitted", "InitializationReturned", "RoundInitialized", "RewardDue"],
    ...["RewardPostponed", "RewardSubmitted", "RewardReturned", "RewardMined", "RewardUndone"],
    ...["RewardConfirmed", "RewardMissed", "RewardNotDue"],
  ],
  statements: [
    "INSERT INTO rounds VALUES (?1, 'opened', ?2, ?3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, ?4, NULL)",
    "UPDATE rounds SET initialization_id = ?2 WHERE round = ?1",
    "UPDATE rounds SET state = 'initialized' WHERE round = ?1 AND state = 'opened'",
    "UPDATE rounds SET state = 'due', forecast = ?2 WHERE round = ?1",
    "UPDATE rounds SET cause = ?2, text = ?3 WHERE round = ?1",
    "UPDATE rounds SET state = 'submitted', transaction_id = ?2, cause = NULL, text = NULL WHERE round = ?1",
    "UPDATE rounds SET state = 'due', transaction_id = NULL, cause = ?2, text = ?3 WHERE round = ?1",
    "UPDATE rounds SET state = 'mined', transaction_id = ?2, tx_hash = ?3, block = ?4, amount = ?5, " +
      "treasury = ?6, cause = NULL, text = NULL WHERE round = ?1",
    "UPDATE rounds SET state = 'due', transaction_id = NULL, tx_hash = NULL, block = NULL, amount = NULL, treasury = NULL WHERE round = ?1",
    "UPDATE rounds SET state = 'confirmed', block = ?2, ended_ms = ?3 WHERE round = ?1",
    "UPDATE rounds SET state = 'missed', cause = ?2, text = ?3, forecast = coalesce(?4, forecast), " +
      "ended_ms = ?5 WHERE round = ?1",
    "UPDATE rounds SET state = 'not-due', cause = ?2, text = NULL, ended_ms = ?3 WHERE round = ?1",
  ],
  project: ({ stream, atMs, event: anyEvent }) => {
    const event = anyEvent as RoundEvent;
    const round = parseStreamId(stream).id;
    switch (event.type) {
      case "RoundOpened":
        return [[0, [round, String(event.startBlock), String(event.length), atMs]]];
      case "InitializationSubmitted":
        return [[1, [round, event.transaction]]];
      case "InitializationReturned":
        return [[1, [round, null]]];
      case "RoundInitialized":
        return [[2, [round]]];
      case "RewardDue":
        return [[3, [round, String(event.forecast)]]];
      case "RewardPostponed":
        return [[4, [round, event.cause, event.text]]];
      case "RewardSubmitted":
        return [[5, [round, event.transaction]]];
      case "RewardReturned":
        return [[6, [round, event.cause, event.text]]];
      case "RewardMined": {
        const { transaction, txHash, block, amount, treasury } = event;
        return [[7, [round, transaction, txHash, String(block), textOf(amount), textOf(treasury)]]];
      }
      case "RewardUndone":
        return [[8, [round]]];
      case "RewardConfirmed":
        return [[9, [round, String(event.block), atMs]]];
      case "RewardMissed":
        return [[10, [round, event.cause, event.text, textOf(event.forecast), atMs]]];
      case "RewardNotDue":
        return [[11, [round, event.cause, atMs]]];
      default:
        return [];
    }
  },
};

function textOf(value: bigint | null): string | null {
  return value === null ? null : String(value);
}
