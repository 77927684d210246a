import type { Hex } from "../../../src/shared/brand.ts";
import type { LedgerWorld } from "./world.ts";

const minute = 60_000;

/** Accounts that may become the redeemer, or call rewards, beside those that were there at the beginning. */
const spare: readonly Hex[] = [`0x${"ab".repeat(20)}`, `0x${"cd".repeat(20)}`, `0x${"ef".repeat(20)}`];

/**
 * Troubles that came later: receipts that cannot be read, and keys that are taken out of the configuration at a start.
 * They are drawn by a chance of their own, so that seeds without them live through what they always did.
 */
export class LaterTroubles {
  readonly #world: LedgerWorld;
  readonly #count: (what: string) => void;
  readonly #crash: () => void;
  #isOver = false;
  #isChanging = false;

  constructor(
    world: LedgerWorld,
    doors: { readonly count: (what: string) => void; readonly crash: () => void },
  ) {
    this.#world = world;
    this.#count = doors.count;
    this.#crash = doors.crash;
  }

  /** Draws the time from now to `endMs`; half of it falls where something is under way. */
  begin(endMs: number, busy: readonly number[]): void {
    const { faults, climate } = this.#world;
    const draw = (often: number, happen: () => void): void => {
      let count = Math.floor(often);
      if (often > count && faults.isTrue(often - count)) count += 1;
      for (; count > 0; count--) {
        const nearMs = busy[faults.between(0, busy.length - 1)] ?? 0;
        const atMs = faults.isTrue(0.5)
          ? nearMs + faults.between(-30_000, 10 * minute)
          : faults.next() * endMs;
        this.#in(Math.min(endMs, Math.max(0, atMs)), happen);
      }
    };
    draw(climate.faults.garbage, () => this.#garbage());
    draw(climate.faults.keys, () => this.#changeKeys());
  }

  /** What comes when a pool or a block has taken a transaction. */
  aim(what: "taken" | "mined", from: Hex, hash: Hex): void {
    const { faults, climate, weather, time, chain } = this.#world;
    const { unreadable, aimedKeys } = climate.faults;
    if (this.#isOver) return;
    if (unreadable > 0 && faults.isTrue(unreadable)) {
      this.#count("unreadable receipt");
      const forMs = faults.pick([faults.between(1, 30), faults.between(30, 600)]) * minute;
      weather.unreadable.set(hash, { untilMs: time.nowMs + forMs, isForTwo: faults.isTrue(0.5) });
      this.#in(forMs + 1, () => {});
    }
    if (what !== "taken" || aimedKeys === 0 || this.#isChanging || !faults.isTrue(aimedKeys)) return;
    this.#isChanging = true;
    const late = faults.pick(["as usual", "late", "late", "lost"] as const);
    const lateMs = faults.pick([faults.between(1, 20), faults.between(10, 240)]) * minute;
    this.#count(`keys changed, the old account's are mined ${late}`);
    if (late !== "as usual") chain.hold(from, lateMs, late === "lost");
    this.#in(faults.between(0, minute), () => {
      this.#isChanging = false;
      this.#changeKeys(from);
    });
    if (faults.isTrue(0.3)) this.#in(faults.between(1, 120) * minute, () => this.#changeKeys());
  }

  /** No more bad luck. */
  end(): void {
    const { weather, chain } = this.#world;
    this.#isOver = true;
    weather.garbage = 0;
    weather.unreadable.clear();
    chain.letGo();
  }

  #garbage(): void {
    const { faults, weather } = this.#world;
    this.#count("garbage receipts");
    weather.garbage = faults.pick([0.1, 0.5, 1]);
    this.#in(faults.between(1, 60) * minute, () => {
      weather.garbage = 0;
    });
  }

  /** The node starts again with another redeemer, another caller of rewards, or both; often with one it had before. */
  #changeKeys(gone: Hex | null = null): void {
    const { faults, accounts, everKeys, process, chain } = this.#world;
    const other = (account: Hex): Hex => {
      const known = [...everKeys].filter((key) => key !== account && key !== gone);
      const fresh = spare.filter((key) => key !== account && key !== gone);
      const from = known.length > 0 && faults.isTrue(0.4) ? known : fresh;
      return from[faults.between(0, from.length - 1)] ?? account;
    };
    const { redeemer, rewardCaller } = accounts;
    const isOne = redeemer === rewardCaller && faults.isTrue(0.6);
    const which = isOne || faults.isTrue(0.2) ? "both" : faults.pick(["redeemer", "caller"] as const);
    const next = other(redeemer);
    const nextCaller = isOne && faults.isTrue(0.5) ? next : other(rewardCaller);
    if (faults.isTrue(0.2)) for (const account of [redeemer, rewardCaller]) chain.dropAll(account);
    this.#count(`other keys: ${which}`);
    if (everKeys.has(next) || everKeys.has(nextCaller)) this.#count("keys that were there before");
    if (process !== null) this.#crash();
    this.#world.changeKeys({
      ...(which === "caller" ? {} : { redeemer: next }),
      ...(which === "redeemer" ? {} : { rewardCaller: nextCaller }),
    });
  }

  #in(ms: number, run: () => void): void {
    this.#world.schedule(ms, () => {
      if (this.#isOver) return;
      run();
      this.#world.stir();
    });
  }
}
