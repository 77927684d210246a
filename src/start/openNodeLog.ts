import { type OpenLog, openLog } from "../events/log/openLog.ts";
import type { HmacSha256 } from "../protocol/authToken.ts";
import type { Ground } from "../startNode.ts";
import type { Account } from "./openAccount.ts";

export const nativeHmacSha256: HmacSha256 = (key, message) =>
  new Uint8Array(new Bun.CryptoHasher("sha256", key).update(message).digest());

/** Opens the log while the key is still being unlocked. Without the right key it is closed again, unwritten. */
export async function openLogAndAccount(
  ground: Ground,
): Promise<{ readonly log: OpenLog; readonly account: Account | null }> {
  await using opened = new AsyncDisposableStack();
  opened.defer(ground.unlock);
  const log = await openLogAt(ground);
  opened.defer(() => log.close());
  const account = await ground.account;
  opened.move();
  return { log, account };
}

function openLogAt({ config, telemetry, fatal }: Ground): Promise<OpenLog> {
  const { reprise, logger } = telemetry;
  return openLog(config.storage.dataDir, {
    onCommitted: (ms, rows) => {
      reprise.commitSeconds.observe(ms / 1_000);
      reprise.batchEvents.observe(rows);
      reprise.eventsAppended.add(rows);
    },
    onStalled: (reason) => {
      if (reason === null) logger.info("The event log can be written again");
      else logger.error("The event log cannot be written: the node takes no new work", { reason });
    },
    onHalted: fatal,
  });
}

/** Waits for `action`, but not longer than `limitMs`; tells whether it ended in time. */
export async function within(limitMs: number, action: () => Promise<unknown>): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), limitMs);
  });
  const isInTime = await Promise.race([action().then(() => true), limit]);
  clearTimeout(timer);
  return isInTime;
}
