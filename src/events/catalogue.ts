import type { AnyEventDefinition } from "./definition.ts";
import { segmentEvents } from "./segment.ts";
import { sessionEvents } from "./session.ts";

/** Every type of fact that this release can read, by name. */
export const allEvents: ReadonlyMap<string, AnyEventDefinition> = new Map([
  ...sessionEvents,
  ...segmentEvents,
]);
