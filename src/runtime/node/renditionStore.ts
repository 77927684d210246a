import type { UnixMs } from "../../shared/brand.ts";

export type StoredObject = { readonly bytes: Uint8Array; readonly contentType: string };

export type RenditionStoreLimits = {
  /** An object nobody fetched stays this long. Gateways fetch at once and give up after 4 s. */
  readonly unservedMs: number;
  /** An object that was fetched stays this much longer, for a second reader. */
  readonly servedMs: number;
  /** All objects together; the oldest go first. */
  readonly bytesMax: number;
};

export const renditionStoreLimits: RenditionStoreLimits = {
  unservedMs: 60_000,
  servedMs: 5_000,
  bytesMax: 512 * 1024 * 1024,
};

type Entry = StoredObject & {
  readonly session: string;
  readonly putMs: UnixMs;
  isServed: boolean;
  dropMs: UnixMs;
};

/** A gateway fetches a rendition within this time or never. Source: video sheet 2. */
const fetchWaitMs = 4_000;

/**
 * Renditions that wait for their gateway, in memory. Kept by time and by bytes instead of the peer's last
 * twelve objects, so that a slow gateway still finds what it was promised (video sheet 16.18).
 */
export class RenditionStore {
  readonly #limits: RenditionStoreLimits;
  /** In the order of arrival: the first is the oldest. */
  readonly #objects = new Map<string, Entry>();
  readonly #bySession = new Map<string, Set<string>>();
  #bytes = 0;

  constructor(limits: RenditionStoreLimits = renditionStoreLimits) {
    this.#limits = limits;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get count(): number {
    return this.#objects.size;
  }

  /** Keeps an object; one with the same path is replaced. `session` is what {@link dropSession} names. */
  put(session: string, path: string, object: StoredObject, nowMs: UnixMs): void {
    this.#drop(path);
    const dropMs = nowMs + this.#limits.unservedMs;
    this.#objects.set(path, { ...object, session, putMs: nowMs, isServed: false, dropMs });
    this.#bytes += object.bytes.length;
    const paths = this.#bySession.get(session) ?? new Set();
    this.#bySession.set(session, paths.add(path));
    for (const oldest of this.#objects.keys()) {
      if (this.#bytes <= this.#limits.bytesMax || oldest === path) break;
      this.#drop(oldest);
    }
  }

  get(path: string): StoredObject | null {
    return this.#objects.get(path) ?? null;
  }

  /** Notes that a gateway has read the object whole. */
  served(path: string, nowMs: UnixMs): void {
    const entry = this.#objects.get(path);
    if (entry === undefined) return;
    entry.isServed = true;
    entry.dropMs = Math.min(entry.dropMs, nowMs + this.#limits.servedMs);
  }

  /** Whether a gateway may still come for an object that it was promised a moment ago. */
  hasAwaited(nowMs: UnixMs): boolean {
    for (const { isServed, putMs } of this.#objects.values()) {
      if (!isServed && nowMs - putMs < fetchWaitMs) return true;
    }
    return false;
  }

  /** The session ended: drops what it has, but what its gateway was promised a moment ago may still be fetched. */
  dropSession(session: string, nowMs: UnixMs): void {
    for (const path of this.#bySession.get(session) ?? []) {
      const entry = this.#objects.get(path);
      if (entry === undefined || entry.isServed || nowMs - entry.putMs >= fetchWaitMs) this.#drop(path);
      else entry.dropMs = Math.min(entry.dropMs, entry.putMs + fetchWaitMs);
    }
  }

  /** Drops what has had its time. */
  sweep(nowMs: UnixMs): void {
    for (const [path, entry] of this.#objects) if (entry.dropMs <= nowMs) this.#drop(path);
  }

  #drop(path: string): void {
    const entry = this.#objects.get(path);
    if (entry === undefined) return;
    this.#objects.delete(path);
    this.#bytes -= entry.bytes.length;
    const paths = this.#bySession.get(entry.session);
    paths?.delete(path);
    if (paths?.size === 0) this.#bySession.delete(entry.session);
  }
}
