/** `action` at the first call; later calls get what that one gave, whatever they hand in. */
export function once<Args extends readonly unknown[], T>(action: (...args: Args) => T): (...args: Args) => T {
  let done: { readonly value: T } | null = null;
  return (...args) => {
    done ??= { value: action(...args) };
    return done.value;
  };
}
