import { type Actor, createActor } from "xstate";
import { type Effect, Fold } from "../actors/fold.ts";
import type { ActorKind, AnyCommand, Rejection } from "../actors/kind.ts";
import { decodeSnapshot, encodeSnapshot } from "../actors/snapshot.ts";
import type { AnyEvent, AnyEventDefinition } from "../events/definition.ts";
import { encodeEvent } from "../events/definition.ts";
import type { RecordedEvent, StreamId } from "../events/envelope.ts";
import { parseStreamId, streamId } from "../events/envelope.ts";
import type { Journal } from "../events/log/journal.ts";
import type { LogReader } from "../events/log/reader.ts";
import type { ViewSet } from "../events/views/view.ts";
import { assert } from "../shared/assert.ts";
import { Deadlines } from "./deadlines.ts";
import { type JournaledLogic, journaled } from "./journaled.ts";
import { machineHash, stateHash } from "./machineHash.ts";
import type { Edge } from "./ports.ts";

/** Where a command came from; goes into the envelope of every event it causes. */
export type Origin = {
  readonly correlationId: string;
  readonly causationId: string;
  readonly traceId?: string | null;
};

export type Execution = { readonly type: "accepted"; readonly events: readonly AnyEvent[] } | Rejection;

export type EffectContext = {
  readonly id: string;
  readonly stream: StreamId;
  /** Idempotency key `stream:version:index`: the same for every delivery of the same effect. */
  readonly key: string;
  readonly origin: Origin;
  /** True when a restart delivers it again: whatever was in memory is gone. */
  readonly isRedelivery: boolean;
  /** Takes the effect off the outbox, in the same commit as the commands of this turn. */
  readonly settle: () => void;
};

/**
 * What an effect of a machine means.
 *
 * - `durable`: in the outbox until settled; runs after the commit; delivered again after a restart. It does not
 *   run when its entity has ended by then: the end has settled what was owed.
 * - `local`: as durable, but may start before the commit, because nobody outside this machine can see it: its
 *   outcome is a command, and that waits its turn in the log.
 * - `inTurn`: runs at once and only executes further commands, which join the same commit.
 * - `volatile`: runs after the commit; concerns only what a restart forgets anyway.
 */
export type EffectHandler = {
  readonly when: "durable" | "local" | "inTurn" | "volatile";
  // biome-ignore lint/suspicious/noExplicitAny: each machine types the parameters of its own effects.
  readonly run: (params: any, context: EffectContext) => void;
};

export type HostOptions = {
  readonly kinds: readonly ActorKind[];
  readonly effects: Readonly<Record<string, EffectHandler>>;
  readonly journal: Journal;
  readonly reader: LogReader;
  readonly views: ViewSet;
  readonly edge: Edge;
  /** Sees every event right after it was decided, before it is durable: for counters, never for effects. */
  readonly onRecorded?: (recorded: RecordedEvent) => void;
  /** A bug in a handler: the process must not go on with a half-done turn. */
  readonly onFault: (error: unknown) => void;
};

type KindRuntime = { readonly kind: ActorKind; readonly fold: Fold; readonly hash: string };

type Entity = {
  readonly id: string;
  readonly stream: StreamId;
  readonly of: KindRuntime;
  readonly actor: Actor<JournaledLogic>;
  version: number;
  snapshotVersion: number;
  readonly owed: Set<string>;
  /** What the machine threw, when it did: a live actor would only report it later and elsewhere. */
  fault: unknown;
};

type Pending = {
  readonly effect: Effect;
  readonly handler: EffectHandler;
  readonly context: EffectContext;
  /** False once an owed effect was settled, or its entity ended before the effect could start. */
  readonly isDue: () => boolean;
};

/** One command on its way through the machine. */
type Turn = {
  readonly origin: Origin;
  readonly atMs: number;
  readonly pending: Pending[];
  /** The decided events as the log will hold them, in order; each is taken when the machine has taken its event. */
  readonly data: string[];
};

/** Events of one stream between two cached snapshots. */
const snapshotEvery = 256;
/** The host never sleeps longer than this, so that a jump of the clock is noticed. */
const sleepMaxMs = 1_000;

/**
 * Runs entities of any number of kinds: loads what is open, takes commands, lets machines decide, records
 * every event with its effects in one commit a turn, and starts effects when that commit is durable.
 */
export class Host {
  readonly #options: HostOptions;
  readonly #kinds = new Map<string, KindRuntime>();
  readonly #entities = new Map<StreamId, Entity>();
  readonly #deadlines = new Deadlines();
  #seq = 0;
  #timer: ReturnType<typeof setTimeout> | null = null;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #current: Turn | null = null;

  constructor(options: HostOptions) {
    this.#options = options;
    for (const kind of options.kinds) {
      this.#kinds.set(kind.kind, { kind, fold: new Fold(kind), hash: machineHash(kind) });
    }
  }

  /** Loads every open stream from its snapshot and tail, delivers what the outbox owes, arms the deadlines. */
  start(): { readonly entities: number; readonly redelivered: number } {
    const { reader } = this.#options;
    this.#seq = reader.lastSeq();
    for (const { stream } of reader.openStreams()) this.#load(stream as StreamId);
    const outbox = reader.outbox();
    for (const row of outbox) this.#redeliver(row);
    this.#arm();
    return { entities: this.#entities.size, redelivered: outbox.length };
  }

  /**
   * Gives a command to an entity. A rejection changed nothing. Everything that was accepted in one turn of the
   * event loop commits together; wait for {@link committed} before anything leaves the process.
   */
  execute(kind: string, id: string, command: AnyCommand, origin: Origin): Execution {
    const of = this.#kinds.get(kind);
    assert(of !== undefined, `No actor kind \`${kind}\` is registered.`);
    const stream = streamId(kind, id);
    const atMs = this.#options.edge.nowMs();
    const entity = this.#entities.get(stream);
    const decision = of.kind.decide(entity?.actor.getSnapshot() ?? null, command, { nowMs: atMs });
    if (decision.type === "rejected") return decision;
    // Before anything moves: an event that cannot be written must not leave half a turn behind.
    const data = decision.events.map((event) => encodeEvent(this.#definition(of, event), event));
    const outer = this.#current;
    const current: Turn = { origin, atMs, pending: [], data };
    this.#current = current;
    try {
      const target = entity ?? this.#create(of, id, stream);
      for (const event of decision.events) this.#send(target, event);
      this.#afterTurn(target);
    } catch (error) {
      // Half of the turn is in the open batch: nothing may go on from here.
      this.#options.onFault(error);
      throw error;
    } finally {
      this.#current = outer;
    }
    this.#dispatch(current.pending);
    return { type: "accepted", events: decision.events };
  }

  /** Resolves when everything executed so far is durable. */
  committed(): Promise<void> {
    return this.#options.journal.committed();
  }

  /** The current snapshot of a loaded entity. */
  snapshot(kind: string, id: string): ReturnType<Actor<JournaledLogic>["getSnapshot"]> | null {
    return this.#entities.get(streamId(kind, id))?.actor.getSnapshot() ?? null;
  }

  /** Ids of all loaded (open) entities of a kind. */
  *idsOf(kind: string): Generator<string> {
    for (const entity of this.#entities.values()) if (entity.of.kind.kind === kind) yield entity.id;
  }

  get openCount(): number {
    return this.#entities.size;
  }

  /** Caches a snapshot of every open entity, so that the next start reads no history. */
  saveSnapshots(): void {
    for (const entity of this.#entities.values()) this.#saveSnapshot(entity);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #create(of: KindRuntime, id: string, stream: StreamId): Entity {
    const entity = this.#wrap(of, id, stream, of.fold.initial(id), 0, 0);
    this.#entities.set(stream, entity);
    return entity;
  }

  #wrap(
    of: KindRuntime,
    id: string,
    stream: StreamId,
    snapshot: ReturnType<Fold["initial"]>,
    version: number,
    snapshotVersion: number,
  ): Entity {
    const logic = journaled(of.fold, (event, next, effects) => this.#record(entity, event, next, effects));
    const actor = createActor(logic, { id: stream, input: { snapshot } });
    const entity: Entity = {
      id,
      stream,
      of,
      actor,
      version,
      snapshotVersion,
      owed: new Set(),
      fault: null,
    };
    actor.subscribe({
      error: (error) => {
        entity.fault = error;
      },
    });
    actor.start();
    return entity;
  }

  /** A live actor swallows what its logic throws, so the version tells whether the event was taken. */
  #send(entity: Entity, event: AnyEvent): void {
    const before = entity.version;
    entity.actor.send(event);
    if (entity.fault !== null) throw entity.fault;
    assert(
      entity.version === before + 1,
      `\`${entity.stream}\` decided \`${event.type}\` but its machine does not take it.`,
    );
  }

  #record(
    entity: Entity,
    event: AnyEvent,
    next: ReturnType<Fold["initial"]>,
    effects: readonly Effect[],
  ): void {
    const current = this.#current;
    assert(current !== null, "An actor moved outside a turn of the host.");
    const { journal, views, onRecorded } = this.#options;
    const definition = this.#definition(entity.of, event);
    const data = current.data.shift();
    assert(data !== undefined, "A machine took more events than were decided.");
    entity.version += 1;
    this.#seq += 1;
    const { origin, atMs } = current;
    const traceId = origin.traceId ?? null;
    const recorded: RecordedEvent = {
      seq: this.#seq,
      stream: entity.stream,
      version: entity.version,
      schemaVersion: definition.schemaVersion,
      atMs,
      correlationId: origin.correlationId,
      causationId: origin.causationId,
      traceId,
      event,
    };
    journal.addEvent([
      recorded.seq,
      recorded.stream,
      recorded.version,
      event.type,
      recorded.schemaVersion,
      atMs,
      recorded.correlationId,
      recorded.causationId,
      traceId,
      data,
    ]);
    for (const write of views.writesFor(recorded)) journal.addView(write);
    for (const [index, effect] of effects.entries()) this.#owe(entity, effect, index, current);
    const isClosed = next.status === "done";
    journal.setStream([
      entity.stream,
      entity.version,
      isClosed ? 1 : 0,
      isClosed ? `${entity.of.hash}:${stateHash(encodeSnapshot(entity.of.kind, next))}` : null,
    ]);
    onRecorded?.(recorded);
  }

  #definition({ kind }: KindRuntime, event: AnyEvent): AnyEventDefinition {
    const definition = kind.events.get(event.type);
    assert(definition !== undefined, `\`${event.type}\` is not in the catalogue of \`${kind.kind}\`.`);
    return definition;
  }

  #owe(entity: Entity, effect: Effect, index: number, current: Turn): void {
    const handler = this.#options.effects[effect.type];
    assert(handler !== undefined, `No handler is registered for the effect \`${effect.type}\`.`);
    const key = `${entity.stream}:${entity.version}:${index}`;
    const isOwed = handler.when === "durable" || handler.when === "local";
    if (isOwed) {
      this.#options.journal.addOutbox([key, entity.stream, effect.type, JSON.stringify(effect.params)]);
      entity.owed.add(key);
    }
    const origin: Origin = { ...current.origin, causationId: `${entity.stream}@${entity.version}` };
    const context = this.#context(entity, key, origin, false);
    current.pending.push({ effect, handler, context, isDue: () => !isOwed || entity.owed.has(key) });
  }

  #context(entity: Entity, key: string, origin: Origin, isRedelivery: boolean): EffectContext {
    return {
      id: entity.id,
      stream: entity.stream,
      key,
      origin,
      isRedelivery,
      settle: () => {
        if (entity.owed.delete(key)) this.#options.journal.settleOutbox(key);
      },
    };
  }

  /** After all events of a command: close or cache the stream, and move its deadline. */
  #afterTurn(entity: Entity): void {
    const snapshot = entity.actor.getSnapshot();
    if (snapshot.status === "done") {
      for (const key of entity.owed) this.#options.journal.settleOutbox(key);
      entity.owed.clear();
      this.#entities.delete(entity.stream);
      this.#deadlines.set(entity.stream, null);
      return;
    }
    if (entity.version - entity.snapshotVersion >= snapshotEvery) this.#saveSnapshot(entity);
    this.#deadlines.set(entity.stream, entity.of.kind.deadline(snapshot));
    this.#arm();
  }

  #saveSnapshot(entity: Entity): void {
    if (entity.snapshotVersion === entity.version) return;
    entity.snapshotVersion = entity.version;
    this.#options.journal.saveSnapshot([
      entity.stream,
      entity.version,
      entity.of.hash,
      encodeSnapshot(entity.of.kind, entity.actor.getSnapshot()),
    ]);
  }

  #dispatch(pending: readonly Pending[]): void {
    for (const { effect, handler, context, isDue } of pending) {
      const run = (): void => this.#guard(() => isDue() && handler.run(effect.params, context));
      if (handler.when === "inTurn" || handler.when === "local") run();
      else this.#options.journal.afterCommit(run);
    }
  }

  #load(stream: StreamId): void {
    const { reader } = this.#options;
    const { kind, id } = parseStreamId(stream);
    const of = this.#kinds.get(kind);
    assert(of !== undefined, `The log holds open work of the unknown kind \`${kind}\`.`);
    const cached = reader.snapshot(stream);
    const isUsable = cached !== null && cached.machineHash === of.hash;
    let snapshot = isUsable ? decodeSnapshot(of.kind, cached.data) : of.fold.initial(id);
    let version = isUsable ? cached.version : 0;
    for (const recorded of reader.eventsOf(stream, version)) {
      assert(recorded.version === version + 1, `\`${stream}\` lacks the event of version ${version + 1}.`);
      snapshot = of.fold.apply(snapshot, recorded.event).snapshot;
      version = recorded.version;
    }
    const entity = this.#wrap(of, id, stream, snapshot, version, isUsable ? cached.version : 0);
    this.#entities.set(stream, entity);
    this.#deadlines.set(stream, of.kind.deadline(snapshot));
  }

  #redeliver(row: {
    readonly key: string;
    readonly stream: string;
    readonly effect: string;
    readonly params: string;
  }): void {
    const entity = this.#entities.get(row.stream as StreamId);
    const handler = this.#options.effects[row.effect];
    assert(entity !== undefined, `The outbox owes \`${row.effect}\` to the closed stream \`${row.stream}\`.`);
    assert(handler !== undefined, `No handler is registered for the effect \`${row.effect}\`.`);
    entity.owed.add(row.key);
    const { id } = parseStreamId(row.stream);
    const origin: Origin = { correlationId: correlationOf(id), causationId: row.key };
    const context = this.#context(entity, row.key, origin, true);
    const params: unknown = JSON.parse(row.params);
    const isDue = (): boolean => entity.owed.has(row.key);
    this.#options.journal.afterCommit(() => this.#guard(() => isDue() && handler.run(params, context)));
  }

  /** Sleeps until the next deadline, but never so long that a jump of the clock goes unnoticed. */
  #arm(): void {
    const nextMs = this.#deadlines.nextMs();
    if (nextMs === null || nextMs >= this.#timerAtMs) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const waitMs = Math.min(Math.max(nextMs - this.#options.edge.nowMs(), 0), sleepMaxMs);
    this.#timerAtMs = nextMs;
    this.#timer = setTimeout(() => this.#wake(), waitMs);
  }

  #wake(): void {
    this.#timer = null;
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#options.edge.nowMs();
    for (let due = this.#deadlines.takeDue(nowMs); due !== null; due = this.#deadlines.takeDue(nowMs)) {
      const { kind, id } = parseStreamId(due.stream);
      const { command } = due;
      this.#guard(() =>
        this.execute(kind, id, command, { correlationId: correlationOf(id), causationId: "deadline" }),
      );
    }
    this.#arm();
  }

  #guard(action: () => unknown): void {
    try {
      action();
    } catch (error) {
      this.#options.onFault(error);
    }
  }
}

/** Ids of parts begin with the id of their whole and a slash: `deadbeef.1/12` belongs to `deadbeef.1`. */
function correlationOf(id: string): string {
  return id.split("/", 1)[0] ?? id;
}
