import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/*
 * The tables of `reprise.sqlite3`. The migrations add what drizzle cannot say: STRICT tables, and triggers
 * that refuse UPDATE and DELETE on `events`.
 */

/** Every fact, for ever. */
export const events = sqliteTable(
  "events",
  {
    seq: integer("seq").primaryKey(),
    stream: text("stream").notNull(),
    version: integer("version").notNull(),
    type: text("type").notNull(),
    schemaVersion: integer("schema_version").notNull(),
    atMs: integer("at_ms").notNull(),
    correlationId: text("correlation_id").notNull(),
    causationId: text("causation_id").notNull(),
    traceId: text("trace_id"),
    data: text("data").notNull(),
  },
  (table) => [index("events_stream_version").on(table.stream, table.version)],
);

/** One row a stream: how far it is, and whether it has ended. Written with the events. */
export const streams = sqliteTable("streams", {
  stream: text("stream").primaryKey(),
  version: integer("version").notNull(),
  /** 1 when the entity reached a final state: nothing may follow. */
  isClosed: integer("is_closed").notNull(),
  /** `<machine hash>:<hash of the canonical snapshot>` at the end; replay must reach the same. */
  finalState: text("final_state"),
});

/** Effects that are owed: written with the event that caused them, removed with the event that settles them. */
export const outbox = sqliteTable("outbox", {
  /** Idempotency key `stream:version:index`. */
  key: text("key").primaryKey(),
  stream: text("stream").notNull(),
  effect: text("effect").notNull(),
  params: text("params").notNull(),
});

/** A cache of folds. A row whose machine hash is not ours is ignored, never repaired. */
export const snapshots = sqliteTable("snapshots", {
  stream: text("stream").primaryKey(),
  version: integer("version").notNull(),
  machineHash: text("machine_hash").notNull(),
  data: text("data").notNull(),
});

/** How far each view has read. Views are rebuilt by dropping their rows and replaying. */
export const views = sqliteTable("views", {
  name: text("name").primaryKey(),
  viewVersion: integer("view_version").notNull(),
  lastSeq: integer("last_seq").notNull(),
});

/** View `media-losses`: workers that an input has cost, by hash of the input. */
export const mediaLosses = sqliteTable("media_losses", {
  mediaHash: text("media_hash").primaryKey(),
  losses: integer("losses").notNull(),
});

/** View `session-summary`: a line a session, for operators and `replay list`. */
export const sessionSummary = sqliteTable("session_summary", {
  stream: text("stream").primaryKey(),
  manifestId: text("manifest_id").notNull(),
  openedMs: integer("opened_ms").notNull(),
  lastMs: integer("last_ms").notNull(),
  delivered: integer("delivered").notNull(),
  failed: integer("failed").notNull(),
  pixels: integer("pixels").notNull(),
  endCause: text("end_cause"),
});

/*
 * The tables of money. Amounts and rounds are decimal text, fractions `n/d`: SQLite's integers end at 2⁶³. SQL only
 * keeps them; sums are made in TypeScript.
 */

/** View `tickets`: everything about each ticket that won. */
export const tickets = sqliteTable(
  "tickets",
  {
    hash: text("hash").primaryKey(),
    state: text("state", {
      enum: ["won", "submitted", "paid", "redeemed", "expired", "refused"],
    }).notNull(),
    sender: text("sender").notNull(),
    recipient: text("recipient").notNull(),
    faceValue: text("face_value").notNull(),
    winProb: text("win_prob").notNull(),
    senderNonce: integer("sender_nonce").notNull(),
    recipientRandHash: text("recipient_rand_hash").notNull(),
    recipientRand: text("recipient_rand").notNull(),
    sig: text("sig").notNull(),
    creationRound: text("creation_round").notNull(),
    creationRoundBlockHash: text("creation_round_block_hash").notNull(),
    expirationBlock: text("expiration_block").notNull(),
    lastValidRound: text("last_valid_round").notNull(),
    account: text("account"),
    source: text("source", { enum: ["payment", "import"] }).notNull(),
    wonMs: integer("won_ms").notNull(),
    endedMs: integer("ended_ms"),
    /** The round in which it was seen redeemed, or given up. */
    endedRound: text("ended_round"),
    txHash: text("tx_hash"),
    loss: text("loss"),
    /** `<account>/<nonce>` of the transaction of ours that redeems it, or has. */
    transactionId: text("transaction_id"),
    /** Wei that came; null when nobody saw how much. */
    paidAmount: text("paid_amount"),
    paidBlock: text("paid_block"),
    /** 1 while the operator keeps it back. */
    held: integer("held").notNull(),
    /** Why it waits; `text` is also what the broker said when it refused it for good. */
    cause: text("cause"),
    text: text("text"),
    /** `host:port` of the redeemer that has acknowledged it. */
    redeemer: text("redeemer"),
  },
  (table) => [
    index("tickets_state_sender").on(table.state, table.sender),
    index("tickets_sender").on(table.sender),
  ],
);

/** View `ledger`: a row a payment. */
export const ledgerPayments = sqliteTable("ledger_payments", {
  seq: integer("seq").primaryKey(),
  atMs: integer("at_ms").notNull(),
  account: text("account").notNull(),
  sender: text("sender").notNull(),
  price: text("price").notNull(),
  tickets: integer("tickets").notNull(),
  creditedTickets: integer("credited_tickets").notNull(),
  credit: text("credit").notNull(),
  winners: integer("winners").notNull(),
  winnersFaceValue: text("winners_face_value").notNull(),
  l1Block: text("l1_block").notNull(),
});

/** View `ledger`: a row each time that an account's price was fixed. */
export const ledgerPrices = sqliteTable("ledger_prices", {
  seq: integer("seq").primaryKey(),
  atMs: integer("at_ms").notNull(),
  account: text("account").notNull(),
  sender: text("sender").notNull(),
  price: text("price").notNull(),
});

/** View `ledger`: jobs under way. */
export const ledgerReservations = sqliteTable(
  "ledger_reservations",
  {
    account: text("account").notNull(),
    jobId: text("job_id").notNull(),
    atMs: integer("at_ms").notNull(),
    sender: text("sender").notNull(),
    units: text("units").notNull(),
    price: text("price").notNull(),
    fee: text("fee").notNull(),
  },
  (table) => [primaryKey({ columns: [table.account, table.jobId] })],
);

/** View `ledger`: a row a job that ended. */
export const ledgerJobs = sqliteTable("ledger_jobs", {
  seq: integer("seq").primaryKey(),
  atMs: integer("at_ms").notNull(),
  account: text("account").notNull(),
  sender: text("sender").notNull(),
  jobId: text("job_id").notNull(),
  outcome: text("outcome", { enum: ["debited", "released"] }).notNull(),
  /** Null for a release without a reservation, which no account decides. */
  price: text("price"),
  units: text("units").notNull(),
  fee: text("fee").notNull(),
  reservedUnits: text("reserved_units"),
  reservedFee: text("reserved_fee"),
});

/** View `ledger`: a row an account that was forgotten, with its balance. */
export const ledgerExpiries = sqliteTable("ledger_expiries", {
  seq: integer("seq").primaryKey(),
  atMs: integer("at_ms").notNull(),
  account: text("account").notNull(),
  sender: text("sender").notNull(),
  balance: text("balance").notNull(),
});

/** View `nonces`: a row a payment whose parameters may still be alive. */
export const nonces = sqliteTable(
  "nonces",
  {
    seq: integer("seq").primaryKey(),
    recipientRandHash: text("recipient_rand_hash").notNull(),
    /** A JSON list of integers. */
    nonces: text("nonces").notNull(),
    expirationBlock: integer("expiration_block").notNull(),
  },
  (table) => [index("nonces_expiration").on(table.expirationBlock)],
);

/** View `chain-logs`: a row a log of Livepeer's contracts that concerns us and stands in the chain. */
export const chainLogs = sqliteTable(
  "chain_logs",
  {
    block: integer("block").notNull(),
    /** Place among all logs of the block. */
    index: integer("idx").notNull(),
    blockHash: text("block_hash").notNull(),
    txHash: text("tx_hash").notNull(),
    name: text("name").notNull(),
    account: text("account").notNull(),
    other: text("other"),
    /** A JSON list of decimal texts. */
    amounts: text("amounts").notNull(),
    text: text("text"),
    /** The event that brought it. */
    seq: integer("seq").notNull(),
    atMs: integer("at_ms").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.block, table.index] }),
    index("chain_logs_tx").on(table.txHash),
    index("chain_logs_name").on(table.name, table.block),
  ],
);

/** View `transactions`: a row a transaction that this node means, or meant, to have mined. */
export const transactions = sqliteTable(
  "transactions",
  {
    /** `<account>/<nonce>`. */
    id: text("id").primaryKey(),
    state: text("state", { enum: ["planned", "sent", "mined", "confirmed", "displaced"] }).notNull(),
    purpose: text("purpose", { enum: ["redeem", "reward", "initialize", "operator"] }).notNull(),
    subject: text("subject").notNull(),
    /** A JSON list of ticket hashes. */
    tickets: text("tickets").notNull(),
    round: text("round"),
    chainId: text("chain_id").notNull(),
    from: text("from_account").notNull(),
    nonce: integer("nonce").notNull(),
    to: text("to_account").notNull(),
    value: text("value").notNull(),
    gasLimit: text("gas_limit").notNull(),
    /** Attempts that were signed. */
    attempts: integer("attempts").notNull(),
    /** Of the newest attempt, or of the one that is mined. */
    hash: text("hash"),
    /** Of the newest attempt to cancel it; when `hash` is the same and it is mined, it was cancelled. */
    cancelHash: text("cancel_hash"),
    /** Why no endpoint takes it. */
    refusal: text("refusal"),
    refusalText: text("refusal_text"),
    block: text("block"),
    /** 0 or 1; null while it is not mined. */
    isSuccess: integer("is_success"),
    gasUsed: text("gas_used"),
    gasPrice: text("gas_price"),
    /** Wei that its gas has cost. */
    fee: text("fee"),
    plannedMs: integer("planned_ms").notNull(),
    minedMs: integer("mined_ms"),
    endedMs: integer("ended_ms"),
  },
  (table) => [
    index("transactions_state").on(table.state, table.plannedMs),
    index("transactions_planned").on(table.plannedMs),
    index("transactions_hash").on(table.hash),
  ],
);

/** View `rounds`: a row a round of the protocol. Amounts are LPT wei. */
export const rounds = sqliteTable(
  "rounds",
  {
    round: text("round").primaryKey(),
    state: text("state", {
      enum: ["opened", "initialized", "due", "submitted", "mined", "confirmed", "missed", "not-due"],
    }).notNull(),
    /** L1 blocks. */
    startBlock: text("start_block").notNull(),
    length: text("length").notNull(),
    /** The transaction of ours that starts the round, while there is one. */
    initializationId: text("initialization_id"),
    forecast: text("forecast"),
    /** The transaction of ours that calls the reward, or has. */
    transactionId: text("transaction_id"),
    txHash: text("tx_hash"),
    block: text("block"),
    amount: text("amount"),
    treasury: text("treasury"),
    cause: text("cause"),
    text: text("text"),
    openedMs: integer("opened_ms").notNull(),
    endedMs: integer("ended_ms"),
  },
  (table) => [index("rounds_opened").on(table.openedMs)],
);

/** Facts about the file itself: which log this is, which release made it. */
export const logMeta = sqliteTable(
  "log_meta",
  { key: text("key").notNull(), value: text("value").notNull() },
  (t) => [primaryKey({ columns: [t.key] })],
);
