import type { ActorKind } from "../actors/kind.ts";

/**
 * Identifies the behaviour of a machine: its states, its first context, and the text of every guard and action,
 * named or inline. Cached snapshots of another behaviour are ignored. Functions that those call are not seen:
 * who changes one must also change the machine.
 */
export function machineHash(kind: ActorKind): string {
  const { implementations, definition, config } = kind.machine;
  const named = [implementations.actions, implementations.guards].map((group) =>
    Object.entries(group ?? {}).sort(([left], [right]) => (left < right ? -1 : 1)),
  );
  const text = JSON.stringify([kind.kind, definition, config.context ?? null, named], (_, value: unknown) => {
    if (typeof value === "bigint") return `${value}n`;
    return typeof value === "function" ? codeOf(value) : value;
  });
  return new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 16);
}

/** An `assign` is the same library function whatever it assigns, and another one in development builds. */
function codeOf(implementation: object): unknown {
  const { type, assignment } = implementation as { readonly type?: unknown; readonly assignment?: unknown };
  return assignment === undefined ? String(implementation) : { type, assignment };
}

/** Identifies a state: 128 bits over the canonical text of a snapshot. */
export function stateHash(canonicalSnapshot: string): string {
  return new Bun.CryptoHasher("sha256").update(canonicalSnapshot).digest("hex").slice(0, 32);
}
