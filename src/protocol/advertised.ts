import { assert } from "../shared/assert.ts";
import { type CapabilitySet, capabilitySet } from "./capabilities.ts";
import { capability, defaultCapabilities, optionalVideoCapabilities } from "./capability.ts";

/** What the node found out about itself at start. */
export type ServedVideo = {
  /** Where the codecs run. */
  readonly device: "software" | "gpu";
  /** Those of `optionalVideoCapabilities` that the codecs showed they can do. */
  readonly proven: readonly number[];
  /** Whether a perceptual hash can be made. */
  readonly hasPerceptualHash: boolean;
  /** Kinds of a gateway's own store that renditions can be uploaded to. */
  readonly foreignStores: { readonly s3: boolean; readonly gcs: boolean };
  /** The flag `-hevcDecoding`: null = not set. */
  readonly hevcDecoding: boolean | null;
};

/**
 * The capabilities that a node which transcodes may promise: the default set, and of the optional ones only what
 * was proven. The peer promises AI numbers without a model; we do not (video sheet 16.17).
 *
 * HEVC input costs a software node several times the work, so there it is only promised when the operator says so.
 */
export function advertisedCapabilities(served: ServedVideo, version: string): CapabilitySet {
  const numbers = new Set(defaultCapabilities);
  if (!served.hasPerceptualHash) numbers.delete(capability.perceptualHash);
  if (!served.foreignStores.s3) numbers.delete(capability.storageS3);
  if (!served.foreignStores.gcs) numbers.delete(capability.storageGcs);
  for (const number of served.proven) {
    assert(optionalVideoCapabilities.includes(number), `Capability ${number} is not an optional video one.`);
    numbers.add(number);
  }
  if (served.hevcDecoding === true) numbers.add(capability.hevcDecode);
  if (served.hevcDecoding === false) numbers.delete(capability.hevcDecode);
  if (served.hevcDecoding === null && served.device === "software") numbers.delete(capability.hevcDecode);
  return capabilitySet(
    [...numbers].sort((left, right) => left - right),
    version,
  );
}
