// How messages become bytes and back.

/** Turns messages into bytes and back. `decode` gets bytes that nobody writes to again, and may keep them. */
export interface Codec<T, Sent = T> {
  /** The bytes of a message; a string is sent as UTF-8. */
  encode(message: Sent): Uint8Array | string
  /**
   * The message in these bytes. What it throws rejects the `next()` whose message it was and ends that loop; the message
   * is consumed, and the next loop begins with the one behind it. In a batch only `at()` of that message throws.
   */
  decode(bytes: Buffer): T
}

/** Bytes as they are; strings are sent as UTF-8. */
export function raw(): Codec<Buffer, Uint8Array | string> {
  return rawCodec
}

export const rawCodec: Codec<Buffer, Uint8Array | string> = {
  encode: (message) => message,
  decode: (bytes) => bytes,
}

/** UTF-8 text. */
export function text(): Codec<string> {
  return { encode: (message) => message, decode: (bytes) => bytes.toString() }
}

/** JSON. `T` is a claim about the peer, not checked. */
export function json<T = unknown>(): Codec<T> {
  return {
    encode: (message) => {
      const encoded = JSON.stringify(message) as string | undefined
      if (encoded === undefined) {
        throw Object.assign(new TypeError('message must be something that JSON can express'), { code: 'ERR_INVALID_ARG_VALUE' })
      }
      return encoded
    },
    decode: (bytes) => JSON.parse(bytes.toString()) as T,
  }
}

/** Structured clone, as V8 writes it: Map, Set, Date, BigInt, cycles. For peers that run the same V8. */
export function structured<T = unknown>(): Codec<T> {
  // Loaded when asked for, like every builtin that most programs do without.
  const { deserialize, serialize } = process.getBuiltinModule('node:v8')
  return { encode: (message) => serialize(message), decode: (bytes) => deserialize(bytes) as T }
}
