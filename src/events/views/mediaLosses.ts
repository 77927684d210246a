import type { EventOf } from "../definition.ts";
import { isInputsFault, type segmentWorkerLost } from "../segment.ts";
import type { View } from "./view.ts";

/** Workers that each input has cost. An input at two or more is refused by its hash. */
export const mediaLossesView: View = {
  name: "media-losses",
  version: 1,
  tables: ["media_losses"],
  types: ["SegmentWorkerLost"],
  statements: [
    "INSERT INTO media_losses VALUES (?1, 1) ON CONFLICT (media_hash) DO UPDATE SET losses = losses + 1",
  ],
  project: ({ event }) => {
    const lost = event as EventOf<typeof segmentWorkerLost>;
    return isInputsFault(lost.cause) ? [[0, [lost.mediaHash]]] : [];
  },
};
