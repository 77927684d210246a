/**
 * A refusal that the protocol foresees: the HTTP status and the exact body text (without the line feed that the
 * listener adds) a gateway gets.
 */
export type Refusal = { readonly type: "refused"; readonly status: number; readonly text: string };

/** Makes a refusal. */
export function refuse(status: number, text: string): Refusal {
  return { type: "refused", status, text };
}
