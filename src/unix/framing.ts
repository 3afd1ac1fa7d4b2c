// Where messages begin and end on a stream of bytes.

import * as check from '../arguments.js'
import type { Codec } from './codecs.js'

/** How messages are told apart on a stream, and what they are. */
export interface FramingOptions<T, Sent = T> {
  /** `lengthPrefix()` or `delimiter()`. Default: a length prefix of 4 bytes, big-endian. */
  framing?: Framing
  /** The longest message in bytes, without prefix or delimiter; a longer one is `ERR_MESSAGE_TOO_LONG`. Default 16 MiB, or
   * what the prefix can tell if that is less. */
  maxLength?: number
  /** How messages become bytes and back. Default `raw()`: bytes as they are. */
  codec?: Codec<T, Sent>
}

/** How messages are told apart; made by `lengthPrefix()` or `delimiter()`. */
export interface Framing {
  /** @internal Bytes before a payload of this length. */
  headerLength(payload: number): number
  /** @internal Bytes after it. */
  readonly trailer: Uint8Array
  /** @internal */
  writeHeader(into: Uint8Array, at: number, payload: number): void
  /** @internal The longest payload that a header can tell. */
  readonly longest: number
  /** @internal Throws when the payload could not be told apart. */
  check(payload: Uint8Array): void
  /** @internal */
  scanner(maxLength: number): Scanner
}

/** What a scanner found: `FOUND`, that bytes are missing, or that the message is longer than allowed. */
export const FOUND = 1
export const MISSING = 0
export const TOO_LONG = -1

/** Finds one message after the other; its fields say where, so that finding allocates nothing. */
export interface Scanner {
  /** Where the payload found begins and ends, and where the next message begins. */
  start: number
  end: number
  next: number
  /** After MISSING: how many bytes from the message's beginning are needed at least, as far as is known. */
  needed: number
  /** After TOO_LONG: the length that was announced, or how much came without an end. */
  length: number
  scan(bytes: Buffer, from: number, to: number): number
}

const nothing = new Uint8Array(0)

/** The length of the payload in 1, 2, 4 or 8 bytes, or as a varint (LEB128, as in protocol buffers), before each message. */
export function lengthPrefix(options: { bytes?: 1 | 2 | 4 | 8 | 'varint', endian?: 'big' | 'little' } = {}): Framing {
  const { bytes = 4, endian = 'big' } = check.options('options', options)
  check.oneOf('options.bytes', bytes, [1, 2, 4, 8, 'varint'] as const)
  check.oneOf('options.endian', endian, ['big', 'little'] as const)
  return bytes === 'varint' ? new VarintPrefix() : new FixedPrefix(bytes, endian === 'little')
}

/** Bytes that end each message and may not be in it: a string or bytes, such as '\n' or '\0'. */
export function delimiter(bytes: string | Uint8Array): Framing {
  const ending = check.bytes('bytes', bytes)
  if (ending.length === 0) throw check.invalidValue('bytes', bytes, 'at least one byte')
  return new Delimiter(Buffer.from(ending))
}

class FixedPrefix implements Framing {
  readonly trailer = nothing
  readonly longest: number
  readonly #bytes: 1 | 2 | 4 | 8
  readonly #little: boolean

  constructor(bytes: 1 | 2 | 4 | 8, little: boolean) {
    this.#bytes = bytes
    this.#little = little
    this.longest = bytes === 8 ? Number.MAX_SAFE_INTEGER : 2 ** (8 * bytes) - 1
  }

  headerLength(): number {
    return this.#bytes
  }

  writeHeader(into: Uint8Array, at: number, payload: number): void {
    const bytes = this.#bytes
    if (bytes === 4 && !this.#little) {
      into[at] = payload >>> 24
      into[at + 1] = payload >>> 16
      into[at + 2] = payload >>> 8
      into[at + 3] = payload
      return
    }
    let rest = payload
    for (let index = 0; index < bytes; index++) {
      into[this.#little ? at + index : at + bytes - 1 - index] = rest % 256
      rest = Math.floor(rest / 256)
    }
  }

  check(): void {}

  scanner(maxLength: number): Scanner {
    return new FixedScanner(this.#bytes, this.#little, maxLength)
  }
}

class FixedScanner implements Scanner {
  start = 0
  end = 0
  next = 0
  needed = 0
  length = 0
  readonly #bytes: number
  readonly #little: boolean
  readonly #maxLength: number

  constructor(bytes: number, little: boolean, maxLength: number) {
    this.#bytes = bytes
    this.#little = little
    this.#maxLength = maxLength
  }

  scan(bytes: Buffer, from: number, to: number): number {
    const start = from + this.#bytes
    if (start > to) {
      this.needed = this.#bytes
      return MISSING
    }
    const length = this.#bytes === 4 && !this.#little
      ? ((bytes[from] as number) << 24 | (bytes[from + 1] as number) << 16
        | (bytes[from + 2] as number) << 8 | (bytes[from + 3] as number)) >>> 0
      : this.#readLength(bytes, from)
    if (length > this.#maxLength) {
      this.length = length
      return TOO_LONG
    }
    const end = start + length
    if (end > to) {
      this.needed = end - from
      return MISSING
    }
    this.start = start
    this.end = end
    this.next = end
    return FOUND
  }

  /** Beyond 2**53 the low digits are lost, but then the length is over any limit. */
  #readLength(bytes: Buffer, from: number): number {
    let length = 0
    for (let index = 0; index < this.#bytes; index++) {
      length = length * 256 + (bytes[this.#little ? from + this.#bytes - 1 - index : from + index] as number)
    }
    return length
  }
}

class VarintPrefix implements Framing {
  readonly trailer = nothing
  readonly longest = Number.MAX_SAFE_INTEGER

  headerLength(payload: number): number {
    let bytes = 1
    for (let rest = payload; rest >= 128; rest = Math.floor(rest / 128)) bytes++
    return bytes
  }

  writeHeader(into: Uint8Array, at: number, payload: number): void {
    let rest = payload
    for (; rest >= 128; rest = Math.floor(rest / 128)) into[at++] = (rest % 128) | 128
    into[at] = rest
  }

  check(): void {}

  scanner(maxLength: number): Scanner {
    return new VarintScanner(maxLength)
  }
}

class VarintScanner implements Scanner {
  start = 0
  end = 0
  next = 0
  needed = 0
  length = 0
  readonly #maxLength: number

  constructor(maxLength: number) {
    this.#maxLength = maxLength
  }

  scan(bytes: Buffer, from: number, to: number): number {
    let length = 0
    let scale = 1
    let at = from
    for (;;) {
      if (at === to) {
        this.needed = at - from + 1
        return MISSING
      }
      const byte = bytes[at++] as number
      length += (byte & 127) * scale
      // Checked at every byte, so that no more of an endless prefix is read than the limit needs.
      if (length > this.#maxLength || at - from > 10) {
        this.length = length
        return TOO_LONG
      }
      if (byte < 128) break
      scale *= 128
    }
    if (at + length > to) {
      this.needed = at + length - from
      return MISSING
    }
    this.start = at
    this.end = at + length
    this.next = this.end
    return FOUND
  }
}

class Delimiter implements Framing {
  readonly longest = Number.MAX_SAFE_INTEGER
  readonly trailer: Buffer

  constructor(trailer: Buffer) {
    this.trailer = trailer
  }

  headerLength(): number {
    return 0
  }

  writeHeader(): void {}

  check(payload: Uint8Array): void {
    // A delimiter of several bytes could also begin in the payload and end in the delimiter itself.
    const whole = this.trailer.length === 1 ? payload : Buffer.concat([payload, this.trailer])
    const at = Buffer.from(whole.buffer, whole.byteOffset, whole.length).indexOf(this.trailer)
    if (at !== -1 && at !== payload.length) {
      throw Object.assign(
        new TypeError(`message must not contain the delimiter, which it does at byte ${at}`),
        { code: 'ERR_DELIMITER_IN_MESSAGE' },
      )
    }
  }

  scanner(maxLength: number): Scanner {
    return new DelimiterScanner(this.trailer, maxLength)
  }
}

class DelimiterScanner implements Scanner {
  start = 0
  end = 0
  next = 0
  needed = 0
  length = 0
  readonly #delimiter: Buffer
  readonly #maxLength: number
  /** How much of the message has been searched, counted from its beginning. */
  #searched = 0

  constructor(ending: Buffer, maxLength: number) {
    this.#delimiter = ending
    this.#maxLength = maxLength
  }

  scan(bytes: Buffer, from: number, to: number): number {
    const size = this.#delimiter.length
    const begin = from + this.#searched
    const found = to - begin < size ? -1 : bytes.subarray(begin, to).indexOf(this.#delimiter)
    if (found === -1) {
      this.#searched = Math.max(0, to - from - size + 1)
      if (this.#searched > this.#maxLength) {
        this.length = this.#searched
        return TOO_LONG
      }
      this.needed = to - from + 1
      return MISSING
    }
    this.#searched = 0
    this.start = from
    this.end = begin + found
    this.next = this.end + size
    if (this.end - from > this.#maxLength) {
      this.length = this.end - from
      return TOO_LONG
    }
    return FOUND
  }
}
