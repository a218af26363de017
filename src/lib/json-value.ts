/** What JSON can hold. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue };
export type JsonObject = { readonly [key: string]: JsonValue };

/** JSON of Go, whose integers may have 64 bits. */
export type GoJsonValue = JsonValue | bigint | readonly GoJsonValue[] | { readonly [key: string]: GoJsonValue };
