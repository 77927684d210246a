CREATE TABLE `tickets` (
	`hash` text PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`sender` text NOT NULL,
	`recipient` text NOT NULL,
	`face_value` text NOT NULL,
	`win_prob` text NOT NULL,
	`sender_nonce` integer NOT NULL,
	`recipient_rand_hash` text NOT NULL,
	`recipient_rand` text NOT NULL,
	`sig` text NOT NULL,
	`creation_round` text NOT NULL,
	`creation_round_block_hash` text NOT NULL,
	`expiration_block` text NOT NULL,
	`last_valid_round` text NOT NULL,
	`account` text,
	`source` text NOT NULL,
	`won_ms` integer NOT NULL,
	`ended_ms` integer,
	`ended_round` text,
	`tx_hash` text,
	`loss` text
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `tickets_state_sender` ON `tickets` (`state`, `sender`);
--> statement-breakpoint
CREATE INDEX `tickets_sender` ON `tickets` (`sender`);
--> statement-breakpoint
CREATE TABLE `ledger_payments` (
	`seq` integer PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`account` text NOT NULL,
	`sender` text NOT NULL,
	`price` text NOT NULL,
	`tickets` integer NOT NULL,
	`credited_tickets` integer NOT NULL,
	`credit` text NOT NULL,
	`winners` integer NOT NULL,
	`winners_face_value` text NOT NULL,
	`l1_block` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE `ledger_prices` (
	`seq` integer PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`account` text NOT NULL,
	`sender` text NOT NULL,
	`price` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE `ledger_reservations` (
	`account` text NOT NULL,
	`job_id` text NOT NULL,
	`at_ms` integer NOT NULL,
	`sender` text NOT NULL,
	`units` text NOT NULL,
	`price` text NOT NULL,
	`fee` text NOT NULL,
	PRIMARY KEY (`account`, `job_id`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `ledger_jobs` (
	`seq` integer PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`account` text NOT NULL,
	`sender` text NOT NULL,
	`job_id` text NOT NULL,
	`outcome` text NOT NULL,
	`price` text,
	`units` text NOT NULL,
	`fee` text NOT NULL,
	`reserved_units` text,
	`reserved_fee` text
) STRICT;
--> statement-breakpoint
CREATE TABLE `ledger_expiries` (
	`seq` integer PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`account` text NOT NULL,
	`sender` text NOT NULL,
	`balance` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE TABLE `nonces` (
	`seq` integer PRIMARY KEY NOT NULL,
	`recipient_rand_hash` text NOT NULL,
	`nonces` text NOT NULL,
	`expiration_block` integer NOT NULL
) STRICT;
--> statement-breakpoint
CREATE INDEX `nonces_expiration` ON `nonces` (`expiration_block`);
