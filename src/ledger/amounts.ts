import { formatRational, parseRational, rational, type Rational } from "../protocol/rational.ts";
import { BaseError } from "../shared/errors.ts";

/** 1 ETH is 10¹⁸ wei. */
const weiDigits = 18;
const digitsShown = 6;

/**
 * Wei as ETH for people: six digits that count, rounded half away from zero. Never for machines: `--csv` and
 * `--json` hold the exact fraction.
 */
export function ethText(wei: Rational | bigint): string {
  const { numerator, denominator } = typeof wei === "bigint" ? rational(wei) : wei;
  if (numerator === 0n) return "0";
  const size = numerator < 0n ? -numerator : numerator;
  const whole = (2n * size + denominator) / (2n * denominator);
  const sign = numerator < 0n ? "-" : "";
  if (whole === 0n) return `${sign}<1 wei`;
  const decimals = Math.max(0, Math.min(weiDigits, weiDigits - String(whole).length + digitsShown));
  const dropped = 10n ** BigInt(weiDigits - decimals);
  const rounded = (2n * whole + dropped) / (2n * dropped);
  const digits = String(rounded).padStart(decimals + 1, "0");
  const cut = digits.length - decimals;
  const fraction = digits.slice(cut).replace(/0+$/, "");
  return `${sign}${digits.slice(0, cut)}${fraction === "" ? "" : `.${fraction}`}`;
}

/** A fraction of a table of money. Throws {@link LedgerDamagedError} for whatever is none. */
export function fractionOf(text: string): Rational {
  const value = parseRational(text);
  if (value === null) throw new LedgerDamagedError(text);
  return value;
}

/**
 * Adds fractions exactly. Those of equal denominator, which most are, are added as integers, so that a long ledger
 * costs no common denominator a row.
 */
export class ExactSum {
  readonly #byDenominator = new Map<bigint, bigint>();

  add({ numerator, denominator }: Rational): void {
    this.#byDenominator.set(denominator, (this.#byDenominator.get(denominator) ?? 0n) + numerator);
  }

  subtract({ numerator, denominator }: Rational): void {
    this.add({ numerator: -numerator, denominator });
  }

  /** The sum in lowest terms. */
  total(): Rational {
    // In pairs: the numbers stay short for as long as possible.
    let sums = [...this.#byDenominator].map(([denominator, numerator]) => rational(numerator, denominator));
    while (sums.length > 1) {
      sums = sums.reduce<Rational[]>((next, value, index) => {
        const left = index % 2 === 1 ? next.pop() : undefined;
        next.push(left === undefined ? value : sumOf(left, value));
        return next;
      }, []);
    }
    return sums[0] ?? rational(0n);
  }

  /** The sum as the ledger writes it, `n/d`. */
  text(): string {
    return formatRational(this.total());
  }
}

function sumOf(left: Rational, right: Rational): Rational {
  return rational(
    left.numerator * right.denominator + right.numerator * left.denominator,
    left.denominator * right.denominator,
  );
}

/** A table of money holds something that is no amount. */
export class LedgerDamagedError extends BaseError {
  constructor(found: string) {
    super("The ledger holds an amount that cannot be read.", {
      code: "LEDGER_DAMAGED",
      disposition: "halt",
      meta: { found: found.slice(0, 80) },
      action:
        "Run `bun run ledger --check`, and restore the log from a backup if the events are damaged too.",
    });
  }
}
