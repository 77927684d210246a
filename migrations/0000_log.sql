CREATE TABLE `events` (
	`seq` integer PRIMARY KEY NOT NULL,
	`stream` text NOT NULL,
	`version` integer NOT NULL,
	`type` text NOT NULL,
	`schema_version` integer NOT NULL,
	`at_ms` integer NOT NULL,
	`correlation_id` text NOT NULL,
	`causation_id` text NOT NULL,
	`trace_id` text,
	`data` text NOT NULL
) STRICT;
--> statement-breakpoint
CREATE UNIQUE INDEX `events_stream_version` ON `events` (`stream`, `version`);
--> statement-breakpoint
CREATE TRIGGER `events_never_change` BEFORE UPDATE ON `events` BEGIN SELECT RAISE(ABORT, 'events never change'); END;
--> statement-breakpoint
CREATE TRIGGER `events_never_go` BEFORE DELETE ON `events` BEGIN SELECT RAISE(ABORT, 'events never go'); END;
--> statement-breakpoint
CREATE TABLE `streams` (
	`stream` text PRIMARY KEY NOT NULL,
	`version` integer NOT NULL,
	`is_closed` integer NOT NULL,
	`final_state` text
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE INDEX `streams_open` ON `streams` (`stream`) WHERE `is_closed` = 0;
--> statement-breakpoint
CREATE TABLE `outbox` (
	`key` text PRIMARY KEY NOT NULL,
	`stream` text NOT NULL,
	`effect` text NOT NULL,
	`params` text NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `snapshots` (
	`stream` text PRIMARY KEY NOT NULL,
	`version` integer NOT NULL,
	`machine_hash` text NOT NULL,
	`data` text NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `views` (
	`name` text PRIMARY KEY NOT NULL,
	`view_version` integer NOT NULL,
	`last_seq` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `media_losses` (
	`media_hash` text PRIMARY KEY NOT NULL,
	`losses` integer NOT NULL
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `session_summary` (
	`stream` text PRIMARY KEY NOT NULL,
	`manifest_id` text NOT NULL,
	`opened_ms` integer NOT NULL,
	`last_ms` integer NOT NULL,
	`delivered` integer NOT NULL,
	`failed` integer NOT NULL,
	`pixels` integer NOT NULL,
	`end_cause` text
) STRICT, WITHOUT ROWID;
--> statement-breakpoint
CREATE TABLE `log_meta` (
	`key` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
) STRICT, WITHOUT ROWID;
