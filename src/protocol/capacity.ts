import { bitstringOf } from "./bitstring.ts";
import type { CapabilitySet } from "./capabilities.ts";
import { CAPABILITY_NUMBER_MAX } from "./capability.ts";
import { type Refusal, refuse } from "./refusal.ts";

/**
 * A node's capabilities after a worker joined: the units add up, the bits follow.
 *
 * A capability number that nobody can mean is refused (it crashes the peer).
 * Source: video sheet 9.1, 16.24.
 */
export function addCapacity(own: CapabilitySet, joined: CapabilitySet): CapabilitySet | Refusal {
  const capacities: Record<number, number> = { ...own.capacities };
  for (const [key, units] of Object.entries(joined.capacities)) {
    const number = Number(key);
    if (number > CAPABILITY_NUMBER_MAX) return refuse(400, `unknown capability ${number}`);
    capacities[number] = (capacities[number] ?? 0) + units;
  }
  return withCapacities(own, capacities);
}

/** A node's capabilities after a worker left: a capability without units loses its bit. */
export function removeCapacity(own: CapabilitySet, left: CapabilitySet): CapabilitySet {
  const capacities: Record<number, number> = { ...own.capacities };
  for (const [key, units] of Object.entries(left.capacities)) {
    const number = Number(key);
    const before = capacities[number];
    if (before === undefined) continue;
    if (before > units) capacities[number] = before - units;
    else delete capacities[number];
  }
  return withCapacities(own, capacities);
}

function withCapacities(own: CapabilitySet, capacities: Record<number, number>): CapabilitySet {
  return { ...own, capacities, bitstring: bitstringOf(Object.keys(capacities).map(Number)) };
}
