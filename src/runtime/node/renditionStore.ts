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

type Entry = StoredObject & { readonly sessionId: string; dropMs: UnixMs };

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

  /** Keeps an object; one with the same path is replaced. */
  put(sessionId: string, path: string, object: StoredObject, nowMs: UnixMs): void {
    this.#drop(path);
    this.#objects.set(path, { ...object, sessionId, dropMs: nowMs + this.#limits.unservedMs });
    this.#bytes += object.bytes.length;
    const paths = this.#bySession.get(sessionId) ?? new Set();
    this.#bySession.set(sessionId, paths.add(path));
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
    if (entry !== undefined) entry.dropMs = Math.min(entry.dropMs, nowMs + this.#limits.servedMs);
  }

  dropSession(sessionId: string): void {
    for (const path of this.#bySession.get(sessionId) ?? []) this.#drop(path);
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
    const paths = this.#bySession.get(entry.sessionId);
    paths?.delete(path);
    if (paths?.size === 0) this.#bySession.delete(entry.sessionId);
  }
}
