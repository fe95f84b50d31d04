// Branded types: numbers and strings that the compiler keeps apart although they look alike at run
// time.

/** A `T` that only counts as a `T` of kind `Name`; made by a cast at the one place that knows. */
export type Brand<T, Name extends string> = T & { readonly __brand?: Name };
