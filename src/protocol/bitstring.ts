/*
 * Sets of capability numbers as lists of 64-bit words: number n is bit n mod 64 of word n div 64.
 * Source: video sheet 10.2.
 */

/** The words for some capability numbers, no longer than needed. Negative numbers have no bit. */
export function bitstringOf(numbers: Iterable<number>): bigint[] {
  const words: bigint[] = [];
  for (const number of numbers) {
    if (number < 0) continue;
    const word = Math.floor(number / 64);
    while (words.length <= word) words.push(0n);
    words[word] = (words[word] ?? 0n) | (1n << BigInt(number % 64));
  }
  return words;
}

/** The capability numbers of a bitstring, ascending. */
export function bitNumbers(words: readonly bigint[]): number[] {
  const numbers: number[] = [];
  words.forEach((word, index) => {
    for (let bit = 0; bit < 64; bit++) {
      if ((word >> BigInt(bit)) & 1n) numbers.push(64 * index + bit);
    }
  });
  return numbers;
}

/**
 * Whether all bits of `need` are in `have`. As on the network, a longer `need` fails even where its surplus words
 * are zero.
 */
export function isBitSubset(need: readonly bigint[], have: readonly bigint[]): boolean {
  if (need.length > have.length) return false;
  return need.every((word, index) => (word & ~(have[index] ?? 0n)) === 0n);
}
