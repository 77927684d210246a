declare const brand: unique symbol;

/** A primitive that only a checked constructor may produce. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };

/** An amount of wei (10⁻¹⁸ ETH). May exceed 2⁶³: stored as decimal text, never a float. */
export type Wei = Brand<bigint, "Wei">;

/** Milliseconds since the Unix epoch, integer. */
export type UnixMs = number;

/** A count of pixels (frames × width × height). Exact up to 2⁵³, about 270 years of 1080p60. */
export type PixelCount = number;

/** Bytes as lower-case hexadecimal with the prefix `0x`. */
export type Hex = `0x${string}`;
