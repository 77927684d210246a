/**
 * A number as Prometheus' Go library prints it: the shortest digits that give the double back, with an exponent
 * (at least two digits) below 10⁻⁴ and from 10⁶ on.
 *
 * Source: prometheus/common expfmt/text_create.go writeFloat; Go strconv.FormatFloat(value, 'g', -1, 64).
 */
export function printGoNumber(value: number): string {
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  if (Number.isInteger(value) && value > -1e6 && value < 1e6) return String(value);
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  // toExponential without an argument gives the shortest digits that are exact enough, as Go's -1 does.
  const [mantissa = "", exponentText = ""] = value.toExponential().split("e");
  const exponent = Number(exponentText);
  if (exponent < -4 || exponent >= 6) {
    const digits = String(Math.abs(exponent)).padStart(2, "0");
    return `${mantissa}e${exponent < 0 ? "-" : "+"}${digits}`;
  }
  if (exponent >= 0) return String(value);
  // Between 10⁻⁴ and 1 JavaScript prints plain digits too.
  return String(value);
}
