import { defineConfig } from "drizzle-kit";

/** Only `drizzle-kit generate --custom` is used: STRICT tables and triggers are written by hand. */
export default defineConfig({ dialect: "sqlite", schema: "./src/events/log/schema.ts", out: "./migrations" });
