import type { SessionEvent } from "../session.ts";
import type { View } from "./view.ts";

/** A line a session: when, how much, how it ended. */
export const sessionSummaryView: View = {
  name: "session-summary",
  version: 1,
  tables: ["session_summary"],
  types: ["SessionOpened", "SessionSegmentEnded", "SessionEnded"],
  statements: [
    "INSERT INTO session_summary VALUES (?1, ?2, ?3, ?3, 0, 0, 0, NULL)",
    "UPDATE session_summary SET last_ms = ?2, delivered = delivered + ?3, failed = failed + ?4, " +
      "pixels = pixels + ?5 WHERE stream = ?1",
    "UPDATE session_summary SET last_ms = ?2, end_cause = ?3 WHERE stream = ?1",
  ],
  project: ({ stream, atMs, event: anyEvent }) => {
    const event = anyEvent as SessionEvent;
    switch (event.type) {
      case "SessionOpened":
        return [[0, [stream, event.manifestId, atMs]]];
      case "SessionSegmentEnded": {
        const isDelivered = event.outcome === "delivered";
        return [[1, [stream, atMs, isDelivered ? 1 : 0, isDelivered ? 0 : 1, event.pixels]]];
      }
      case "SessionEnded":
        return [[2, [stream, atMs, event.cause]]];
      default:
        return [];
    }
  },
};
