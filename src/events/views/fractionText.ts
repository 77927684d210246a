/**
 * An exact fraction as the tables of money hold it: `7/3`, or `5` for a whole number. The pure rules for fractions
 * live with the protocol, which views do not know; they read this form.
 */
export function fractionText(value: { readonly numerator: bigint; readonly denominator: bigint }): string {
  return value.denominator === 1n ? `${value.numerator}` : `${value.numerator}/${value.denominator}`;
}
