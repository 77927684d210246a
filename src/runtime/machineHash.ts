import type { ActorKind } from "../actors/kind.ts";

/**
 * Identifies the behaviour of a machine: its definition and the text of its named guards and actions. Cached
 * snapshots of another behaviour are ignored.
 */
export function machineHash(kind: ActorKind): string {
  const { implementations } = kind.machine;
  const code = [implementations.actions, implementations.guards].map((named) =>
    Object.entries(named ?? {})
      .map(([name, implementation]) => `${name}:${String(implementation)}`)
      .sort(),
  );
  const text = JSON.stringify([kind.kind, kind.machine.definition, code]);
  return new Bun.CryptoHasher("sha256").update(text).digest("hex").slice(0, 16);
}

/** Identifies a state: 128 bits over the canonical text of a snapshot. */
export function stateHash(canonicalSnapshot: string): string {
  return new Bun.CryptoHasher("sha256").update(canonicalSnapshot).digest("hex").slice(0, 32);
}
