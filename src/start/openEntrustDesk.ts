import type { ChainConfig } from "../config/config.ts";
import type { LogReader } from "../events/log/reader.ts";
import { RedeemerClient } from "../redeemer/redeemerClient.ts";
import { EntrustDesk } from "../runtime/chain/entrustDesk.ts";
import type { ChainDesk } from "../runtime/chainPorts.ts";
import type { RedemptionDesk } from "../runtime/chain/redemptionDesk.ts";
import type { Host } from "../runtime/host.ts";
import { buildVersion } from "../shared/buildVersion.ts";
import type { Logger } from "../telemetry/logger.ts";

export type OpenEntrustDeskParts = {
  readonly remote: NonNullable<ChainConfig["remoteRedeemer"]>;
  readonly host: Host;
  readonly reader: LogReader;
  readonly desk: ChainDesk;
  readonly redemption: RedemptionDesk;
  readonly monotonicMs: () => number;
  readonly logger: Logger;
  readonly onFault: (error: unknown) => void;
};

/** What hands winning tickets to the redeemer of the configuration. */
export type OpenEntrustDesk = {
  readonly desk: EntrustDesk;
  /** Ends the connection. What is not handed over by then is owed at the next start. */
  close(): Promise<void>;
};

/** Opens the way to the redeemer; nobody has to be there. The host must have started. */
export function openEntrustDesk(parts: OpenEntrustDeskParts): OpenEntrustDesk {
  const { remote, host, reader, redemption, monotonicMs, logger, onFault } = parts;
  const client = new RedeemerClient({ ...remote, userAgent: `reprise/${buildVersion}` });
  const redeemer = client.name;
  const desk = new EntrustDesk({
    ...{ host, reader, desk: parts.desk, redeemer: client, monotonicMs, onFault },
    onUsed: (hash, look) => redemption.seenUsed(hash, look),
    onTrouble: (trouble) => {
      if (trouble === null) logger.info("The redeemer takes winning tickets again", { redeemer });
      else logger.warn("The redeemer cannot be reached: winning tickets are kept", { redeemer, ...trouble });
    },
  });
  logger.info("Winning tickets are handed to a redeemer", { redeemer, waiting: desk.counts().waiting });
  // What the log owes is tried at once, before the chain was read.
  desk.poke();
  return {
    desk,
    close: async () => {
      const closed = desk.close();
      client.close();
      await closed;
    },
  };
}
