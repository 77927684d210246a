ALTER TABLE `tickets` ADD COLUMN `redeemer` text;
