import { assert } from "../shared/assert.ts";

/**
 * A bounded queue that is fair over sessions: first come, first served within one session, and one item of each
 * session in turn. A session with a long tail cannot hold the others up.
 */
export class FairQueue<Item> {
  readonly #itemsMax: number;
  /** Waiting items by session. Insertion order is the turn order: who was served goes to the end. */
  readonly #lanes = new Map<string, Item[]>();
  #size = 0;

  /** @param itemsMax - how many items may wait, over all sessions together. */
  constructor(itemsMax: number) {
    assert(Number.isSafeInteger(itemsMax) && itemsMax > 0, "A queue holds at least one item.");
    this.#itemsMax = itemsMax;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends `item` to the lane of its session. False when the queue is full; nothing changes then. */
  push(sessionId: string, item: Item): boolean {
    if (this.#size >= this.#itemsMax) return false;
    const lane = this.#lanes.get(sessionId);
    if (lane === undefined) this.#lanes.set(sessionId, [item]);
    else lane.push(item);
    this.#size += 1;
    return true;
  }

  /**
   * Takes the first item, in turn order, for which `place` finds a place (not null). Only the head of each lane
   * is asked, so the order within a session holds. Null when nothing can be placed.
   */
  take<Place>(place: (item: Item) => Place | null): { readonly item: Item; readonly place: Place } | null {
    for (const [sessionId, lane] of this.#lanes) {
      const item = lane[0];
      assert(item !== undefined, "An empty lane stays in the queue.");
      const found = place(item);
      if (found === null) continue;
      lane.shift();
      this.#size -= 1;
      this.#lanes.delete(sessionId);
      if (lane.length > 0) this.#lanes.set(sessionId, lane);
      return { item, place: found };
    }
    return null;
  }

  /** Takes one waiting item out. False when it is not waiting (any more). */
  remove(sessionId: string, item: Item): boolean {
    const lane = this.#lanes.get(sessionId);
    const index = lane?.indexOf(item) ?? -1;
    if (lane === undefined || index < 0) return false;
    lane.splice(index, 1);
    this.#size -= 1;
    if (lane.length === 0) this.#lanes.delete(sessionId);
    return true;
  }

  /** Empties the queue and returns what waited, session by session. */
  drain(): Item[] {
    const items = [...this.#lanes.values()].flat();
    this.#lanes.clear();
    this.#size = 0;
    return items;
  }
}
