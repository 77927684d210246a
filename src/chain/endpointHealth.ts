import type { EndpointHead, EndpointStateName } from "./chainRpc.ts";

/*
 * What is known about one endpoint, and whether it may be preferred. All times are milliseconds of a clock that never
 * goes back. Memory is bounded: 32 latencies, 64 heads.
 */

const latenciesMax = 32;
const headsMax = 64;
/** Heads closer together than this share an entry, so that fast polls do not push out what was seen seconds ago. */
const headGapMs = 100;
/** Weight of the newest outcome in the means. */
const weight = 0.2;
/** So many failures in a row, or so large a share of failures, and the endpoint counts as failing. */
const failuresMax = 2;
const errorRateMax = 0.5;
/** A share below this makes it healthy again. */
const errorRateGood = 0.3;
const hedgeMinMs = 150;
const hedgeMaxMs = 2_000;
/** Before anything was measured. */
const hedgeDefaultMs = 1_000;
/** Pause after a 429 that names no time: doubled while it goes on. */
const pauseMs = 1_000;
const pauseMaxMs = 30_000;
const probeMs = 5_000;
const probeMaxMs = 60_000;
/** A silence is proved by so many requests, one after the other, that nothing came back to. */
const silentTriesMin = 3;
/** Longer than the longest pause between two probes: a proof that is older is none. */
const silentFreshMs = 90_000;
const textMax = 200;

/** Since when an endpoint is not healthy for a reason, and until when. */
type Ban = { readonly sinceMs: number; readonly untilMs: number };

/** Since when nothing came back; when that was last seen; how many requests, one after the other, it swallowed. */
type Silence = { readonly sinceMs: number; readonly lastMs: number; readonly tries: number };

/** Measures one endpoint. */
export class EndpointHealth {
  /** Requests that are out for longer than the hedge delay. */
  slowRequests = 0;
  head: EndpointHead | null = null;
  /** When the head last rose. */
  roseAtMs = 0;
  lastError: string | null = null;
  errorRate = 0;
  latencyMs: number | null = null;
  /** Since when it answers whatever is asked, a single failure apart; null while it does not. */
  answeringSinceMs: number | null = null;
  #heardAtMs = Number.NEGATIVE_INFINITY;
  #silence: Silence | null = null;
  readonly #latencies: number[] = [];
  /** Heads with the time at which each was first shown; both only rise. */
  #heads: { readonly block: bigint; readonly atMs: number }[] = [];
  #failuresInRow = 0;
  #firstFailureAtMs = 0;
  #failingSinceMs: number | null = null;
  #limitsInRow = 0;
  #pause: (Ban & { readonly isAsked: boolean }) | null = null;
  #behindSinceMs: number | null = null;
  #incomplete: Ban | null = null;
  #exclusion: Ban | null = null;
  #wrongChain: Ban | null = null;
  #nextProbeAtMs = 0;
  #probesInRow = 0;

  state(nowMs: number): EndpointStateName {
    if (this.#wrongChain !== null || isOn(this.#exclusion, nowMs)) return "excluded";
    if (isOn(this.#pause, nowMs)) return "paused";
    if (this.#failingSinceMs !== null) return "failing";
    if (this.#behindSinceMs !== null || isOn(this.#incomplete, nowMs)) return "behind";
    return "healthy";
  }

  /** Since when it is not healthy; null while it is. */
  unfitSinceMs(nowMs: number): number | null {
    const bans = [this.#wrongChain, this.#exclusion, this.#pause, this.#incomplete];
    const since = bans.filter((ban) => isOn(ban, nowMs)).map((ban) => ban.sinceMs);
    if (this.#failingSinceMs !== null) since.push(this.#failingSinceMs);
    if (this.#behindSinceMs !== null) since.push(this.#behindSinceMs);
    return since.length === 0 ? null : Math.min(...since);
  }

  /** Milliseconds that it asked us to stay away for; 0 when it did not. */
  askedAwayMs(nowMs: number): number {
    return this.#pause?.isAsked === true ? Math.max(0, this.#pause.untilMs - nowMs) : 0;
  }

  /** How long to wait for it before another one is asked too. */
  get hedgeMs(): number {
    const p95 = this.latencyP95Ms;
    return p95 === null ? hedgeDefaultMs : Math.min(Math.max(1.5 * p95, hedgeMinMs), hedgeMaxMs);
  }

  get latencyP95Ms(): number | null {
    const sorted = this.#latencies.toSorted((left, right) => left - right);
    return sorted[Math.ceil(sorted.length * 0.95) - 1] ?? null;
  }

  answered(latencyMs: number): void {
    this.#latencies.push(latencyMs);
    if (this.#latencies.length > latenciesMax) this.#latencies.shift();
    this.latencyMs = this.latencyMs === null ? latencyMs : mixed(this.latencyMs, latencyMs);
  }

  /** Something came back, of whatever kind. */
  heard(nowMs: number): void {
    this.#silence = null;
    this.#heardAtMs = nowMs;
    this.answeringSinceMs ??= nowMs;
  }

  /** Nothing usable came back to a request of `startMs`: no connection, no answer in time, or not JSON-RPC. */
  silent(startMs: number, nowMs: number): void {
    const before = this.#silence;
    if (before === null) {
      this.#silence = { sinceMs: Math.max(startMs, this.#heardAtMs), lastMs: nowMs, tries: 1 };
      return;
    }
    // Requests that were out together are one proof.
    const tries = before.tries + (startMs >= before.lastMs ? 1 : 0);
    this.#silence = { sinceMs: before.sinceMs, lastMs: nowMs, tries };
    if (tries > 1) this.answeringSinceMs = null;
  }

  /** Since when nothing came back, without a break; null while it answers. */
  get silentSinceMs(): number | null {
    return this.#silence?.sinceMs ?? null;
  }

  /** For how long after `fromMs` its silence is proved. 0: not at all, or the proof is old. */
  provedSilentMs(fromMs: number, nowMs: number): number {
    const silence = this.#silence;
    if (silence === null || silence.tries < silentTriesMin || nowMs - silence.lastMs > silentFreshMs)
      return 0;
    return Math.max(0, silence.lastMs - Math.max(silence.sinceMs, fromMs));
  }

  succeeded(): void {
    this.errorRate = mixed(this.errorRate, 0);
    // An outage is over with its first answer; only what fails now and then has to prove itself.
    if (this.#failuresInRow >= failuresMax) this.errorRate = Math.min(this.errorRate, errorRateGood);
    this.#failuresInRow = 0;
    this.#limitsInRow = 0;
    // A pause that was asked for is kept: this answer belongs to a request from before.
    if (this.#pause?.isAsked === false) this.#pause = null;
    if (this.errorRate > errorRateGood) return;
    this.#failingSinceMs = null;
    this.#probesInRow = 0;
  }

  failed(text: string, nowMs: number): void {
    this.lastError = text.slice(0, textMax);
    this.errorRate = mixed(this.errorRate, 1);
    if (this.#failuresInRow === 0) this.#firstFailureAtMs = nowMs;
    this.#failuresInRow += 1;
    if (this.#failuresInRow < failuresMax && this.errorRate <= errorRateMax) return;
    if (this.#failingSinceMs === null) this.#plan(nowMs);
    this.#failingSinceMs ??= this.#firstFailureAtMs;
  }

  /** It wants fewer requests. `retryAfterMs`: null when it does not say for how long. */
  limited(text: string, retryAfterMs: number | null, nowMs: number): void {
    const sinceMs = this.#limitsInRow === 0 ? nowMs : (this.#pause?.sinceMs ?? nowMs);
    const waitMs = retryAfterMs ?? Math.min(pauseMs * 2 ** Math.min(this.#limitsInRow, 10), pauseMaxMs);
    const untilMs = Math.max(nowMs + waitMs, this.#pause?.untilMs ?? 0);
    this.#limitsInRow += 1;
    this.#pause = { sinceMs, untilMs, isAsked: retryAfterMs !== null || this.askedAwayMs(nowMs) > 0 };
    this.lastError = text.slice(0, textMax);
  }

  incomplete(reason: string, nowMs: number, untilMs: number): void {
    this.lastError = reason.slice(0, textMax);
    this.#incomplete = { sinceMs: nowMs, untilMs };
  }

  exclude(reason: string, nowMs: number, untilMs: number): void {
    this.lastError = reason.slice(0, textMax);
    this.#exclusion = { sinceMs: isOn(this.#exclusion, nowMs) ? this.#exclusion.sinceMs : nowMs, untilMs };
    this.#plan(nowMs);
  }

  /** It serves another chain. Holds until {@link admit}. */
  refuseChain(reason: string, nowMs: number): void {
    this.lastError = reason.slice(0, textMax);
    if (this.#wrongChain === null) this.#plan(nowMs);
    this.#wrongChain ??= { sinceMs: nowMs, untilMs: Number.POSITIVE_INFINITY };
  }

  /** It serves the right chain (again). */
  admit(): void {
    if (this.#wrongChain !== null) this.#probesInRow = 0;
    this.#wrongChain = null;
  }

  /** Takes a head that it showed. */
  saw(head: EndpointHead, nowMs: number): void {
    const before = this.head;
    this.head = { block: head.block, l1Block: head.l1Block ?? before?.l1Block ?? null };
    if (before === null || head.block > before.block) this.roseAtMs = nowMs;
    // A chain that went back, as after a re-org: what was above is no longer shown.
    this.#heads = this.#heads.filter((entry) => entry.block < head.block).slice(1 - headsMax);
    const [left, right] = this.#heads.slice(-2);
    if (left !== undefined && right !== undefined && right.atMs - left.atMs < headGapMs) this.#heads.pop();
    this.#heads.push({ block: head.block, atMs: before?.block === head.block ? this.roseAtMs : nowMs });
  }

  /** The head that it had shown at that time; null when it had shown none. */
  headAt(atMs: number): bigint | null {
    return this.#heads.findLast((entry) => entry.atMs <= atMs)?.block ?? null;
  }

  /** Others show newer blocks, or no longer do. */
  setBehind(isBehind: boolean, nowMs: number): void {
    if (!isBehind) {
      if (this.#behindSinceMs !== null) this.#probesInRow = 0;
      this.#behindSinceMs = null;
      return;
    }
    if (this.#behindSinceMs === null) this.#plan(nowMs);
    this.#behindSinceMs ??= nowMs;
    this.lastError = `it stands at block ${this.head?.block}, behind another endpoint`;
  }

  /** Whether it is time to see if it is healthy again; says so once each time. */
  takeProbe(nowMs: number): boolean {
    const isKnown = this.head !== null || this.latencyMs !== null || this.lastError !== null;
    if (isKnown && this.state(nowMs) === "healthy") return false;
    if (nowMs < this.#nextProbeAtMs || this.askedAwayMs(nowMs) > 0) return false;
    this.#probesInRow += 1;
    this.#plan(nowMs);
    return true;
  }

  #plan(nowMs: number): void {
    this.#nextProbeAtMs = nowMs + Math.min(probeMs * 2 ** Math.min(this.#probesInRow, 10), probeMaxMs);
  }
}

function isOn(ban: Ban | null, nowMs: number): ban is Ban {
  return ban !== null && nowMs < ban.untilMs;
}

function mixed(mean: number, newest: number): number {
  return mean + weight * (newest - mean);
}
