import type { Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { networkOf, plainAddress } from "./ipAddress.ts";
import type { ListenerLimits } from "./limits.ts";
import { TokenBucket } from "./tokenBucket.ts";

export type ConnectionCloseReason =
  "header-timeout" | "idle" | "reset-flood" | "ping-flood" | "settings-flood" | "draining";

/** One accepted connection with what it has used up. */
export type Connection = {
  readonly socket: Socket;
  readonly remoteAddress: string;
  /** Set once the connection turns out to speak HTTP/2. */
  session: Http2Session | null;
  /** Requests whose answer has not ended. */
  openRequests: number;
  /**
   * Monotonic milliseconds at which the connection is closed unless something happens; infinite while it
   * works.
   */
  deadlineMs: number;
  waitsFor: "header-timeout" | "idle";
  /** The bytes of an HTTP/1.1 connection are watched for the beginning of its next request. */
  watchesHeaders: boolean;
  readonly resets: TokenBucket;
  readonly pings: TokenBucket;
  readonly settings: TokenBucket;
};

export type ConnectionRefusal = "too-many-connections" | "too-many-from-address" | "draining";

/** Accounts for connections: how many there are, from where, and until when each may stay silent. */
export class ConnectionTable {
  readonly #limits: ListenerLimits;
  readonly #onClose: (connection: Connection, reason: ConnectionCloseReason) => void;
  readonly #bySocket = new Map<Socket, Connection>();
  readonly #bySession = new WeakMap<Http2Session, Connection>();
  readonly #perNetwork = new Map<string, number>();
  readonly #sweeper: ReturnType<typeof setInterval>;
  #whenEmpty: (() => void)[] = [];
  #isDraining = false;

  constructor(
    limits: ListenerLimits,
    onClose: (connection: Connection, reason: ConnectionCloseReason) => void,
  ) {
    this.#limits = limits;
    this.#onClose = onClose;
    // One timer for all connections: a timer each would cost more than a short handshake leaves to spend.
    const shortestMs = Math.min(limits.headerTimeoutMs, limits.idleTimeoutMs);
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(1000, Math.max(20, shortestMs / 4)));
    this.#sweeper.unref();
  }

  get size(): number {
    return this.#bySocket.size;
  }

  /** Takes a new connection in, or says why not; the caller then destroys it. */
  admit(socket: Socket): Connection | ConnectionRefusal {
    if (this.#isDraining) return "draining";
    if (this.#bySocket.size >= this.#limits.connectionsMax) return "too-many-connections";
    const remoteAddress = plainAddress(socket.remoteAddress ?? "");
    const network = networkOf(remoteAddress);
    const ofNetwork = this.#perNetwork.get(network) ?? 0;
    if (ofNetwork >= this.#limits.connectionsPerAddressMax) return "too-many-from-address";

    const nowMs = performance.now();
    const connection: Connection = {
      socket,
      remoteAddress,
      session: null,
      openRequests: 0,
      deadlineMs: nowMs + this.#limits.handshakeTimeoutMs + this.#limits.headerTimeoutMs,
      waitsFor: "header-timeout",
      watchesHeaders: false,
      resets: new TokenBucket(this.#limits.resets, nowMs),
      pings: new TokenBucket(this.#limits.pings, nowMs),
      settings: new TokenBucket(this.#limits.settings, nowMs),
    };
    this.#bySocket.set(socket, connection);
    this.#perNetwork.set(network, ofNetwork + 1);
    socket.once("close", () => this.#release(connection, network));
    return connection;
  }

  /** Watches an HTTP/2 session for floods that the parser below lets through. */
  adopt(session: Http2Session, connection: Connection): void {
    connection.session = session;
    this.#bySession.set(session, connection);
    session.on("ping", () => this.#charge(connection, connection.pings, "ping-flood"));
    session.on("remoteSettings", () => this.#charge(connection, connection.settings, "settings-flood"));
  }

  find(socket: Socket): Connection | null {
    return this.#bySocket.get(socket) ?? null;
  }

  findBySession(session: Http2Session | undefined): Connection | null {
    return session === undefined ? null : (this.#bySession.get(session) ?? null);
  }

  requestStarted(connection: Connection): void {
    connection.openRequests += 1;
    connection.deadlineMs = Number.POSITIVE_INFINITY;
    connection.pings.earn(2);
  }

  requestEnded(connection: Connection, wasReset: boolean): void {
    connection.openRequests -= 1;
    if (wasReset) this.#charge(connection, connection.resets, "reset-flood");
    if (connection.openRequests > 0) return;
    connection.deadlineMs = performance.now() + this.#limits.idleTimeoutMs;
    connection.waitsFor = "idle";
    if (this.#isDraining) this.#hangUp(connection);
  }

  /** Bytes came on an HTTP/1.1 connection that has no request: a header block has begun. */
  headerStarted(connection: Connection): void {
    if (connection.openRequests > 0 || connection.waitsFor === "header-timeout") return;
    connection.waitsFor = "header-timeout";
    connection.deadlineMs = performance.now() + this.#limits.headerTimeoutMs;
  }

  /** Refuses new connections, closes idle ones, and resolves when the last one has ended. */
  drain(): Promise<void> {
    this.#isDraining = true;
    for (const connection of [...this.#bySocket.values()]) {
      if (connection.session !== null) connection.session.close();
      else if (connection.openRequests === 0) this.#close(connection, "draining");
    }
    return this.#bySocket.size === 0
      ? Promise.resolve()
      : new Promise((resolve) => this.#whenEmpty.push(resolve));
  }

  /** Cuts every connection off. */
  destroy(): void {
    this.#isDraining = true;
    clearInterval(this.#sweeper);
    for (const connection of [...this.#bySocket.values()]) connection.socket.destroy();
  }

  #release(connection: Connection, network: string): void {
    if (!this.#bySocket.delete(connection.socket)) return;
    const ofNetwork = (this.#perNetwork.get(network) ?? 1) - 1;
    if (ofNetwork > 0) this.#perNetwork.set(network, ofNetwork);
    else this.#perNetwork.delete(network);
    if (this.#bySocket.size > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  #sweep(): void {
    const nowMs = performance.now();
    for (const connection of [...this.#bySocket.values()]) {
      if (connection.deadlineMs <= nowMs) this.#close(connection, connection.waitsFor);
    }
  }

  #charge(connection: Connection, bucket: TokenBucket, reason: ConnectionCloseReason): void {
    if (!bucket.take(performance.now())) this.#close(connection, reason);
  }

  #close(connection: Connection, reason: ConnectionCloseReason): void {
    if (connection.socket.destroyed) return;
    this.#onClose(connection, reason);
    connection.socket.destroy();
  }

  #hangUp(connection: Connection): void {
    if (connection.session !== null) connection.session.close();
    else connection.socket.end();
  }
}
