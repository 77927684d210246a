ALTER TABLE `tickets` ADD COLUMN `transaction_id` text;
--> statement-breakpoint
ALTER TABLE `tickets` ADD COLUMN `paid_amount` text;
--> statement-breakpoint
ALTER TABLE `tickets` ADD COLUMN `paid_block` text;
--> statement-breakpoint
ALTER TABLE `tickets` ADD COLUMN `held` integer NOT NULL DEFAULT 0;
--> statement-breakpoint
ALTER TABLE `tickets` ADD COLUMN `cause` text;
--> statement-breakpoint
ALTER TABLE `tickets` ADD COLUMN `text` text;
--> statement-breakpoint
CREATE TABLE `chain_logs` (
	`block` integer NOT NULL,
	`idx` integer NOT NULL,
	`block_hash` text NOT NULL,
	`tx_hash` text NOT NULL,
	`name` text NOT NULL,
	`account` text NOT NULL,
	`other` text,
	`amounts` text NOT NULL,
	`text` text,
	`seq` integer NOT NULL,
	`at_ms` integer NOT NULL,
	PRIMARY KEY (`block`, `idx`)
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `chain_logs_tx` ON `chain_logs` (`tx_hash`);
--> statement-breakpoint
CREATE INDEX `chain_logs_name` ON `chain_logs` (`name`, `block`);
--> statement-breakpoint
CREATE TABLE `transactions` (
	`id` text PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`purpose` text NOT NULL,
	`subject` text NOT NULL,
	`tickets` text NOT NULL,
	`round` text,
	`chain_id` text NOT NULL,
	`from_account` text NOT NULL,
	`nonce` integer NOT NULL,
	`to_account` text NOT NULL,
	`value` text NOT NULL,
	`gas_limit` text NOT NULL,
	`attempts` integer NOT NULL,
	`hash` text,
	`cancel_hash` text,
	`refusal` text,
	`refusal_text` text,
	`block` text,
	`is_success` integer,
	`gas_used` text,
	`gas_price` text,
	`fee` text,
	`planned_ms` integer NOT NULL,
	`mined_ms` integer,
	`ended_ms` integer
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `transactions_state` ON `transactions` (`state`, `planned_ms`);
--> statement-breakpoint
CREATE INDEX `transactions_planned` ON `transactions` (`planned_ms`);
--> statement-breakpoint
CREATE INDEX `transactions_hash` ON `transactions` (`hash`);
--> statement-breakpoint
CREATE TABLE `rounds` (
	`round` text PRIMARY KEY NOT NULL,
	`state` text NOT NULL,
	`start_block` text NOT NULL,
	`length` text NOT NULL,
	`initialization_id` text,
	`forecast` text,
	`transaction_id` text,
	`tx_hash` text,
	`block` text,
	`amount` text,
	`treasury` text,
	`cause` text,
	`text` text,
	`opened_ms` integer NOT NULL,
	`ended_ms` integer
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `rounds_opened` ON `rounds` (`opened_ms`);
