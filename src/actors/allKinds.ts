import type { ActorKind } from "./kind.ts";
import { segmentKind } from "./segment/decide.ts";
import { sessionKind } from "./session/decide.ts";

/** Every kind of entity that this release runs. */
export const allKinds: readonly ActorKind[] = [sessionKind, segmentKind];
