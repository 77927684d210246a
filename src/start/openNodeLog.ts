import { type OpenLog, openLog } from "../events/log/openLog.ts";
import type { HmacSha256 } from "../protocol/authToken.ts";
import type { Host } from "../runtime/host.ts";
import type { Listener } from "../server/listener.ts";
import type { Ground } from "../startNode.ts";
import type { Account } from "./openAccount.ts";

/** How long open connections may take to end once all work is done. */
const connectionsEndMs = 1_000;
/** How long a full disk may keep the node from ending. */
const lastCommitMs = 5_000;

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

/** Lets open connections end, and closes the port. */
export async function closeDoor(listener: Listener): Promise<void> {
  await within(connectionsEndMs, () => listener.drain());
  await listener.close();
}

/** Writes what is decided, closes the log and gives the data folder up. False: the disk did not take it all in time. */
export async function closeLog({ telemetry, unlock }: Ground, host: Host, log: OpenLog): Promise<boolean> {
  const isSaved = await within(lastCommitMs, async () => {
    await host.committed();
    host.saveSnapshots();
    await log.close();
  });
  if (!isSaved) {
    telemetry.logger.error("The event log could not take its last events", { waitedMs: lastCommitMs });
  }
  await telemetry.tracer.close();
  unlock();
  return isSaved;
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
