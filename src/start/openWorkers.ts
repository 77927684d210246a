import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config/config.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { RepriseMetrics } from "../telemetry/repriseMetrics.ts";
import {
  type LocalTranscodeWorkers,
  nvidiaSlots,
  openTranscodeWorkers,
  softwareSlots,
  type TranscodeWorkersOptions,
  type WorkerEvent,
  type WorkerSlot,
} from "../workers/openTranscodeWorkers.ts";
import { StartError } from "./startError.ts";

/** Segments that share one GPU's process: enough to fill the card's encoders. */
const jobsPerGpu = 4;

/** Opens the local workers as configured. Throws {@link StartError}. */
export function openWorkers(
  config: Config,
  logger: Logger,
  reprise: RepriseMetrics,
  overrides: TranscodeWorkersOptions,
): LocalTranscodeWorkers {
  const slots = slotsOf(config);
  return openTranscodeWorkers({
    ...(slots === null ? {} : { slots }),
    ...overrides,
    onEvent: (event) => {
      logWorker(logger, reprise, event);
      overrides.onEvent?.(event);
    },
  });
}

function slotsOf({ workers }: Config): readonly WorkerSlot[] | null {
  if (workers.nvidia !== null) return nvidiaSlots(gpuIndices(workers.nvidia), jobsPerGpu);
  return workers.processCount === null ? null : softwareSlots(workers.processCount);
}

/** `all` counts the NVIDIA cards on the PCI bus, numbered from 0. Source: video sheet 11.9. */
function gpuIndices(nvidia: readonly string[] | "all"): readonly number[] {
  if (nvidia !== "all") return nvidia.map(Number);
  const cards = countNvidiaCards();
  if (cards > 0) return Array.from({ length: cards }, (_, index) => index);
  throw new StartError(
    "Error while parsing '-nvidia all' flag: no devices found with vendor name 'Nvidia'.",
    "Take `-nvidia` out to transcode on the CPU, or install the card's driver.",
  );
}

const pciDevices = "/sys/bus/pci/devices";

function countNvidiaCards(): number {
  try {
    return readdirSync(pciDevices).filter((device) => {
      const read = (name: string): string => readFileSync(join(pciDevices, device, name), "utf8").trim();
      // 0x0300 is a VGA controller, 0x0302 a 3D controller.
      return read("vendor") === "0x10de" && /^0x030[02]/.test(read("class"));
    }).length;
  } catch {
    return 0;
  }
}

function logWorker(logger: Logger, reprise: RepriseMetrics, event: WorkerEvent): void {
  switch (event.type) {
    case "died": {
      const { workerId, cause, reason, stderr } = event;
      reprise.workersLost.add(1, [cause]);
      logger.warn("A transcode worker died", {
        workerId,
        cause,
        reason,
        jobs: event.jobIds.join(" "),
        stderr: stderr.join(" | "),
      });
      return;
    }
    case "startFailed":
      logger.error("No transcode worker can start", {
        reason: event.reason,
        retryMs: event.retryMs,
        stderr: event.stderr.join(" | "),
      });
      return;
    case "ready":
      logger.debug("A transcode worker is ready", { workerId: event.workerId, codec: event.codec });
      if (event.workerId.startsWith("gpu") && !event.codec.includes("nvenc")) {
        logger.error("The GPU opens no encoder, so its worker transcodes on the CPU: check card and driver", {
          workerId: event.workerId,
          codec: event.codec,
        });
      }
      return;
    case "measured":
      logger.info("Measured what this machine can do", { pixelsPerSecond: event.pixelsPerSecond });
      return;
    default: {
      const { type, ...fields } = event;
      logger.debug(`Transcode worker ${type}`, fields);
    }
  }
}
