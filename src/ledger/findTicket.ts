import type { LogReader, TicketRecord } from "../events/log/reader.ts";
import { CommandUsageError } from "./commandLine.ts";

/** The one ticket whose hash begins with `word`. Throws CommandUsageError. */
export function findTicket(reader: LogReader, word: string | undefined): TicketRecord {
  const digits = word?.toLowerCase().replace(/^0x/, "") ?? "";
  if (!/^[0-9a-f]{1,64}$/.test(digits)) {
    throw new CommandUsageError("Name a ticket: its hash, or the beginning of it.");
  }
  const [first, second] = reader.ticketsWithPrefix(`0x${digits}`, 2);
  if (first === undefined) throw new CommandUsageError(`No ticket's hash begins with \`0x${digits}\`.`);
  if (second !== undefined) {
    throw new CommandUsageError(
      `Several hashes begin with \`0x${digits}\`, such as ${first.hash} and ${second.hash}.`,
    );
  }
  return first;
}
