import { NONCES_MAX } from "../../protocol/ticket.ts";
import { assert } from "../../shared/assert.ts";

/**
 * Parameters live for 40 blocks, and a restart takes up about 1,000. What lies beyond this many different
 * expiration blocks shares one table, which is kept as long as the last of them needs.
 */
const generationsMax = 2_048;
/** Tables of one generation: growing one of sixteen moves little at a time. */
const shardsPerGeneration = 16;
const slotsMin = 16;
/** Share of the slots that may be in use; beyond it a table doubles. */
const loadMax = 0.75;
const countMax = 0xffff;

/** The first 12 bytes of a hash, which stand for all 32, and where the hash begins to be looked for. */
type RandKey = { readonly a: number; readonly b: number; readonly c: number; readonly hash: number };

/**
 * Which nonces were used under which ticket parameters, until these expire. Parameters are known by the hash of
 * the recipient's random number. Holds a million nonces in 30 to 60 MB; a look-up takes the same time whatever
 * is in it, and forgetting a block's parameters is one deletion.
 */
export class NonceMemory {
  readonly #seed: number;
  readonly #generationsMax: number;
  readonly #generations = new Map<bigint, Generation>();
  #rest: { readonly generation: Generation; lastBlock: bigint } | null = null;

  /**
   * @param seed - decides only where things lie: a peer that knew it could choose nonces that lie in one heap
   */
  constructor(
    seed: number = crypto.getRandomValues(new Uint32Array(1))[0] ?? 0,
    blocksMax: number = generationsMax,
  ) {
    this.#seed = seed;
    this.#generationsMax = blocksMax;
  }

  /** Nonces remembered. */
  get size(): number {
    let size = this.#rest?.generation.size ?? 0;
    for (const generation of this.#generations.values()) size += generation.size;
    return size;
  }

  /** Bytes of all tables, as good as all that this object takes. */
  get bytes(): number {
    let bytes = this.#rest?.generation.bytes ?? 0;
    for (const generation of this.#generations.values()) bytes += generation.bytes;
    return bytes;
  }

  /**
   * Whether a nonce may be used: "seen" when it was, "full" when {@link NONCES_MAX} others were.
   *
   * @param randHash - 32 bytes
   * @param nonce - unsigned, 32 bits
   * @param expirationBlock - L1 block, the same for the same `randHash`: the parameters bind them together
   */
  check(randHash: Uint8Array, nonce: number, expirationBlock: bigint): "fresh" | "seen" | "full" {
    const key = this.#keyOf(randHash);
    const generation = this.#generations.get(expirationBlock);
    const rest = this.#rest?.generation;
    if (generation?.has(key, nonce) === true || rest?.has(key, nonce) === true) return "seen";
    const count = (generation?.countOf(key) ?? 0) + (rest?.countOf(key) ?? 0);
    return count >= NONCES_MAX ? "full" : "fresh";
  }

  /** Remembers a nonce, also beyond the limit: whoever asks first, with {@link check}, never gets there. */
  add(randHash: Uint8Array, nonce: number, expirationBlock: bigint): void {
    const key = this.#keyOf(randHash);
    if (this.#rest?.generation.has(key, nonce) === true) return;
    this.#generationFor(expirationBlock).add(key, nonce);
  }

  /** Distinct nonces used under these parameters. */
  countOf(randHash: Uint8Array, expirationBlock: bigint): number {
    const key = this.#keyOf(randHash);
    const count = this.#generations.get(expirationBlock)?.countOf(key) ?? 0;
    return count + (this.#rest?.generation.countOf(key) ?? 0);
  }

  /** Forgets all parameters that end at `l1Block` or before it: their tickets are refused from then on. */
  dropExpired(l1Block: bigint): void {
    for (const block of this.#generations.keys()) {
      if (block <= l1Block) this.#generations.delete(block);
    }
    if (this.#rest !== null && this.#rest.lastBlock <= l1Block) this.#rest = null;
  }

  #generationFor(block: bigint): Generation {
    const known = this.#generations.get(block);
    if (known !== undefined) return known;
    if (this.#generations.size < this.#generationsMax) {
      const generation = new Generation(this.#seed);
      this.#generations.set(block, generation);
      return generation;
    }
    this.#rest ??= { generation: new Generation(this.#seed), lastBlock: block };
    if (this.#rest.lastBlock < block) this.#rest.lastBlock = block;
    return this.#rest.generation;
  }

  #keyOf(randHash: Uint8Array): RandKey {
    assert(randHash.length === 32, "A hash of a recipient's random number has 32 bytes.");
    const a = wordAt(randHash, 0);
    const b = wordAt(randHash, 4);
    return { a, b, c: wordAt(randHash, 8), hash: hashOf(a, b, this.#seed) };
  }
}

/** Parameters that end in the same block. */
class Generation {
  readonly #seed: number;
  readonly #shards: (Shard | null)[] = Array.from({ length: shardsPerGeneration }, () => null);
  size = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  get bytes(): number {
    return this.#shards.reduce((sum, shard) => sum + (shard?.bytes ?? 0), 0);
  }

  has(key: RandKey, nonce: number): boolean {
    return this.#shardOf(key)?.has(key, nonce) === true;
  }

  countOf(key: RandKey): number {
    return this.#shardOf(key)?.countOf(key) ?? 0;
  }

  add(key: RandKey, nonce: number): void {
    const index = key.hash % shardsPerGeneration;
    const shard = this.#shards[index] ?? new Shard(this.#seed);
    this.#shards[index] = shard;
    if (shard.add(key, nonce)) this.size += 1;
  }

  #shardOf(key: RandKey): Shard | null {
    return this.#shards[key.hash % shardsPerGeneration] ?? null;
  }
}

/**
 * Two tables with open addressing. One finds the number that a hash got when it came; the other one holds pairs
 * of such a number and a nonce. So a nonce costs eight bytes, not another copy of its hash.
 */
class Shard {
  readonly #seed: number;
  /** Three words for each hash, in the order in which they came. */
  #hashes = new Uint32Array(3 * capacityOf(slotsMin));
  #counts = new Uint16Array(capacityOf(slotsMin));
  /** A hash's number plus one; 0 = free. */
  #hashSlots = new Uint32Array(slotsMin);
  #hashCount = 0;
  /** A hash's number plus one, and the nonce; 0 = free. */
  #nonceSlots = new Uint32Array(2 * slotsMin);
  #nonceCount = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  get bytes(): number {
    const tables = [this.#hashes, this.#counts, this.#hashSlots, this.#nonceSlots];
    return tables.reduce((sum, table) => sum + table.byteLength, 0);
  }

  has(key: RandKey, nonce: number): boolean {
    const number = this.#hashSlots[this.#hashSlotOf(key)] ?? 0;
    return number !== 0 && this.#nonceSlots[2 * this.#nonceSlotOf(number, key.hash, nonce)] !== 0;
  }

  countOf(key: RandKey): number {
    const number = this.#hashSlots[this.#hashSlotOf(key)] ?? 0;
    return number === 0 ? 0 : (this.#counts[number - 1] ?? 0);
  }

  /** False when it is known already. */
  add(key: RandKey, nonce: number): boolean {
    const number = this.#numberFor(key);
    const slot = this.#nonceSlotOf(number, key.hash, nonce);
    if (this.#nonceSlots[2 * slot] !== 0) return false;
    this.#nonceSlots[2 * slot] = number;
    this.#nonceSlots[2 * slot + 1] = nonce;
    this.#counts[number - 1] = Math.min(countMax, (this.#counts[number - 1] ?? 0) + 1);
    this.#nonceCount += 1;
    if (this.#nonceCount >= capacityOf(this.#nonceSlots.length / 2)) this.#growNonces();
    return true;
  }

  #numberFor(key: RandKey): number {
    const slot = this.#hashSlotOf(key);
    const known = this.#hashSlots[slot] ?? 0;
    if (known !== 0) return known;
    this.#hashes.set([key.a, key.b, key.c], 3 * this.#hashCount);
    this.#hashCount += 1;
    this.#hashSlots[slot] = this.#hashCount;
    const number = this.#hashCount;
    if (this.#hashCount >= capacityOf(this.#hashSlots.length)) this.#growHashes();
    return number;
  }

  #growHashes(): void {
    const slots = 2 * this.#hashSlots.length;
    this.#hashes = grown(this.#hashes, new Uint32Array(3 * capacityOf(slots)));
    this.#counts = grown(this.#counts, new Uint16Array(capacityOf(slots)));
    this.#hashSlots = new Uint32Array(slots);
    for (let number = 1; number <= this.#hashCount; number++) {
      this.#hashSlots[this.#hashSlotOf(this.#keyOf(number))] = number;
    }
  }

  #growNonces(): void {
    const old = this.#nonceSlots;
    this.#nonceSlots = new Uint32Array(2 * old.length);
    for (let at = 0; at < old.length; at += 2) {
      const number = old[at] ?? 0;
      if (number === 0) continue;
      const nonce = old[at + 1] ?? 0;
      const slot = this.#nonceSlotOf(number, this.#keyOf(number).hash, nonce);
      this.#nonceSlots[2 * slot] = number;
      this.#nonceSlots[2 * slot + 1] = nonce;
    }
  }

  #keyOf(number: number): RandKey {
    const at = 3 * (number - 1);
    const a = this.#hashes[at] ?? 0;
    const b = this.#hashes[at + 1] ?? 0;
    return { a, b, c: this.#hashes[at + 2] ?? 0, hash: hashOf(a, b, this.#seed) };
  }

  /** Where the hash is, or would be. */
  #hashSlotOf(key: RandKey): number {
    const mask = this.#hashSlots.length - 1;
    let slot = mix(key.hash) & mask;
    for (let number = this.#hashSlots[slot] ?? 0; number !== 0; number = this.#hashSlots[slot] ?? 0) {
      const at = 3 * (number - 1);
      if (this.#hashes[at] === key.a && this.#hashes[at + 1] === key.b && this.#hashes[at + 2] === key.c) {
        break;
      }
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  #nonceSlotOf(number: number, hash: number, nonce: number): number {
    const mask = this.#nonceSlots.length / 2 - 1;
    let slot = mix(hash ^ nonce) & mask;
    for (let at = 2 * slot; this.#nonceSlots[at] !== 0; at = 2 * slot) {
      if (this.#nonceSlots[at] === number && this.#nonceSlots[at + 1] === nonce) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}

/** Entries that a table of so many slots takes. */
function capacityOf(slots: number): number {
  return slots * loadMax;
}

function grown<Table extends Uint32Array | Uint16Array>(from: Table, to: Table): Table {
  to.set(from);
  return to;
}

function wordAt(bytes: Uint8Array, index: number): number {
  const high = ((bytes[index] ?? 0) << 24) | ((bytes[index + 1] ?? 0) << 16);
  return (high | ((bytes[index + 2] ?? 0) << 8) | (bytes[index + 3] ?? 0)) >>> 0;
}

function hashOf(a: number, b: number, seed: number): number {
  return mix(mix(a ^ seed) ^ b);
}

/** Spreads 32 bits over 32 bits, one to one. Source: the final step of MurmurHash3. */
function mix(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
