import type { Rendition, TranscodeOutcome } from "../runtime/ports.ts";
import type { SentRendition, SentVerdict } from "./messages.ts";
import type { Spool } from "./spool.ts";

/** What became of one job in a worker that lives. */
export type WorkerVerdict =
  Exclude<TranscodeOutcome, { readonly type: "lost" }> | { readonly type: "cancelled" };

/** Makes a verdict of what a worker sent, reading the spool where the renditions are there. Null when they are not. */
export function receiveVerdict(
  sent: SentVerdict,
  spool: Spool | null,
): WorkerVerdict | Promise<WorkerVerdict | null> {
  return isSpooled(sent) ? takeSpooled(sent, spool) : inlineVerdict(sent);
}

type SpooledVerdict = SentVerdict & { readonly type: "transcoded" };

/** Whether the renditions are in the spool. */
export function isSpooled(sent: SentVerdict): sent is SpooledVerdict {
  return sent.type === "transcoded" && sent.renditions.some(({ bytes }) => bytes === null);
}

function inlineVerdict(sent: SentVerdict): WorkerVerdict {
  if (sent.type === "cancelled") return { type: "cancelled" };
  if (sent.type === "failed") return { type: "failed", text: sent.text };
  const { renditions, decodedPixels, timings } = sent;
  return { type: "transcoded", renditions: withBytes(renditions, noBytes), decodedPixels, timings };
}

/** Reads the renditions that lie in the spool one after the other. Null when they do not. */
async function takeSpooled(sent: SpooledVerdict, spool: Spool | null): Promise<WorkerVerdict | null> {
  const total = sent.renditions.reduce((sum, { byteLength }) => sum + byteLength, 0);
  const all = (await spool?.take(total)) ?? null;
  if (all === null) return null;
  const { renditions, decodedPixels, timings } = sent;
  return { type: "transcoded", renditions: withBytes(renditions, all), decodedPixels, timings };
}

function withBytes(sent: readonly SentRendition[], spooled: Uint8Array): readonly Rendition[] {
  let at = 0;
  return sent.map(({ bytes, byteLength, frames, pixels, keccak256, perceptualHash }) => {
    const start = at;
    if (bytes === null) at += byteLength;
    return { bytes: bytes ?? spooled.subarray(start, at), frames, pixels, keccak256, perceptualHash };
  });
}

const noBytes = new Uint8Array(0);
