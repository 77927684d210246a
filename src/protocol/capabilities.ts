import { create } from "@bufbuild/protobuf";
import { bitNumbers, bitstringOf, isBitSubset } from "./bitstring.ts";
import { CAPABILITY_NUMBER_MAX } from "./capability.ts";
import { type Capabilities, CapabilitiesSchema } from "./gen/lp_rpc_pb.ts";
import { isVersionSufficient } from "./version.ts";

/** What is demanded of, or known about, one AI model. */
export type ModelConstraint = {
  readonly warm: boolean;
  readonly capacity: number;
  readonly runnerVersion: string;
};

/** What a node can do, or a job needs. Plain data. */
export type CapabilitySet = {
  readonly bitstring: readonly bigint[];
  /** Bits that the other side must have. */
  readonly mandatories: readonly bigint[];
  /** Units by capability number. */
  readonly capacities: Readonly<Record<number, number>>;
  readonly version: string;
  /** Lowest version of the other side; empty = any. */
  readonly minVersion: string;
  /** By capability number, then model id. */
  readonly perCapability: Readonly<Record<number, Readonly<Record<string, ModelConstraint>>>>;
};

/** A set with one unit of each capability, and no demands. */
export function capabilitySet(numbers: readonly number[], version: string): CapabilitySet {
  return {
    bitstring: bitstringOf(numbers),
    mandatories: [],
    capacities: Object.fromEntries(numbers.map((number) => [number, 1])),
    version,
    minVersion: "",
    perCapability: {},
  };
}

/**
 * Reads capabilities from the wire. Where no capacities came, each bit counts as one unit, up to the highest
 * number that we keep count of.
 *
 * @param ownVersion - stands in for the sender's version when it sent no capabilities at all
 */
export function capabilitiesFromNet(message: Capabilities | undefined, ownVersion: string): CapabilitySet {
  if (message === undefined) return capabilitySet([], ownVersion);
  const { bitstring, mandatories, version, constraints } = message;
  const hasCapacities = Object.keys(message.capacities).length > 0;
  return {
    bitstring: [...bitstring],
    mandatories: [...mandatories],
    capacities: hasCapacities
      ? { ...message.capacities }
      : Object.fromEntries(bitNumbers(bitstring.slice(0, COUNTED_WORDS)).map((number) => [number, 1])),
    version,
    minVersion: constraints?.minVersion ?? "",
    perCapability: mapValues(constraints?.PerCapability ?? {}, ({ models }) =>
      mapValues(models, ({ warm, capacity, runnerVersion }) => ({ warm, capacity, runnerVersion })),
    ),
  };
}

/** Writes capabilities for the wire. Constraints are always present, as peers expect. */
export function capabilitiesToNet(set: CapabilitySet): Capabilities {
  return create(CapabilitiesSchema, {
    bitstring: [...set.bitstring],
    mandatories: [...set.mandatories],
    capacities: { ...set.capacities },
    version: set.version,
    constraints: {
      minVersion: set.minVersion,
      PerCapability: mapValues(set.perCapability, (models) => ({ models: { ...models } })),
    },
  });
}

/**
 * Whether a node that has `have` can do a job that needs `need`. Source: video sheet 10.4, in its order.
 */
export function isCompatible(need: CapabilitySet, have: CapabilitySet): boolean {
  return (
    isVersionSufficient(need.minVersion, have.version) &&
    isBitSubset(have.mandatories, need.bitstring) &&
    areModelsAvailable(need, have) &&
    isBitSubset(need.bitstring, have.bitstring)
  );
}

const COUNTED_WORDS = (CAPABILITY_NUMBER_MAX + 1) / 64;

/** Models only count for capabilities that the node lists at all. */
function areModelsAvailable(need: CapabilitySet, have: CapabilitySet): boolean {
  return Object.entries(need.perCapability).every(([number, neededModels]) => {
    const models = have.perCapability[Number(number)];
    if (models === undefined) return true;
    return Object.entries(neededModels).every(([model, needed]) => {
      const available = Object.hasOwn(models, model) ? models[model] : undefined;
      if (available === undefined || (needed.warm && !available.warm)) return false;
      return isVersionSufficient(needed.runnerVersion, available.runnerVersion);
    });
  });
}

/** `Object.fromEntries` defines own properties, so a key such as `__proto__` stays an ordinary key. */
function mapValues<In, Out>(
  record: Readonly<Record<string, In>>,
  map: (value: In) => Out,
): Record<string, Out> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value)]));
}
