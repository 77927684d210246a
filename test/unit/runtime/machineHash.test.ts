import { expect, test } from "bun:test";
import { assign, setup } from "xstate";
import type { ActorKind } from "../../../src/actors/kind.ts";
import { allKinds } from "../../../src/actors/allKinds.ts";
import { segmentKind } from "../../../src/actors/segment/decide.ts";
import { machineHash, stateHash } from "../../../src/runtime/machineHash.ts";

/*
 * Goal: a cached snapshot is trusted only when the machine that made it behaves as ours. Method: the same machine
 * built twice hashes the same; one small change of behaviour, anywhere, gives another hash.
 */

type Parts = {
  readonly step?: number;
  readonly guard?: (args: { readonly context: { readonly count: number } }) => boolean;
  readonly target?: string;
  readonly first?: number;
  readonly params?: (args: { readonly event: { readonly by: number } }) => { readonly by: number };
};

const steps: Readonly<Record<number, ReturnType<typeof assign>>> = {
  1: assign(({ context }: { context: { count: number } }) => ({ count: context.count + 1 })) as never,
  2: assign(({ context }: { context: { count: number } }) => ({ count: context.count + 2 })) as never,
};
const isSmall: Parts["guard"] = ({ context }) => context.count < 10;
const isTiny: Parts["guard"] = ({ context }) => context.count < 9;
const byEvent: Parts["params"] = ({ event }) => ({ by: event.by });
const byTwice: Parts["params"] = ({ event }) => ({ by: event.by * 2 });

function kindOf(parts: Parts): ActorKind {
  const machine = setup({
    guards: { isAllowed: (parts.guard ?? isSmall) as never },
    actions: { count: steps[parts.step ?? 1] as never },
  }).createMachine({
    id: "counter",
    context: { count: parts.first ?? 0 },
    initial: "low",
    states: {
      low: {
        on: {
          Counted: {
            guard: "isAllowed",
            target: parts.target ?? "high",
            actions: { type: "count", params: (parts.params ?? byEvent) as never },
          },
        },
      },
      high: {},
    },
  } as never);
  return { ...segmentKind, kind: "counter", machine } as unknown as ActorKind;
}

const changes: Readonly<Record<string, Parts>> = {
  "what an assign computes": { step: 2 },
  "a guard": { guard: isTiny },
  "a target": { target: "low" },
  "the first context": { first: 1 },
  "the parameters of an action": { params: byTwice },
};

test("the same machine has the same hash", () => {
  expect(machineHash(kindOf({}))).toBe(machineHash(kindOf({})));
  expect(machineHash(kindOf({}))).toMatch(/^[0-9a-f]{16}$/);
});

for (const [what, parts] of Object.entries(changes)) {
  test(`another hash when ${what} changes`, () => {
    expect(machineHash(kindOf(parts))).not.toBe(machineHash(kindOf({})));
  });
}

test("kinds have hashes of their own", () => {
  const hashes = allKinds.map(machineHash);
  expect(new Set(hashes).size).toBe(allKinds.length);
});

test("a hash is the same in XState's development and production builds: both read the same logs", async () => {
  const program = `
    import { allKinds } from "./src/actors/allKinds.ts";
    import { machineHash } from "./src/runtime/machineHash.ts";
    console.log(allKinds.map(machineHash).join(" "));`;
  const hashes = async (conditions: readonly string[]): Promise<string> => {
    const root = new URL("../../..", import.meta.url).pathname;
    const child = Bun.spawn([process.execPath, ...conditions, "-e", program], {
      cwd: root,
      stderr: "inherit",
    });
    return (await new Response(child.stdout).text()).trim();
  };
  const [production, development] = await Promise.all([hashes([]), hashes(["--conditions=development"])]);
  expect(production).toBe(allKinds.map(machineHash).join(" "));
  expect(development).toBe(production);
});

test("a state hash names the state: 128 bits of the canonical text", () => {
  expect(stateHash("a")).toMatch(/^[0-9a-f]{32}$/);
  expect(stateHash("a")).not.toBe(stateHash("b"));
});
