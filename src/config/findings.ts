import type { Mistake } from "./mistake.ts";

/** Collects what the rules find. Every rule adds to it and goes on, so that all mistakes show together. */
export type Findings = { readonly mistakes: Mistake[]; readonly notices: string[] };
