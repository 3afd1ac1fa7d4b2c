import { writeU16, writeU32 } from './bytes.js'
import { NLA_ALIGNTO, NLA_F_NESTED, NLA_HDRLEN } from './constants.js'
import { InvalidAttribute } from './invalid.js'

const MAX_ATTRIBUTE = 0xffff

/**
 * Attributes being written one after another into memory that grows; generated encoders use it as well.
 * Every byte that is not a value is zeroed: old memory never reaches a peer.
 */
export class AttributeWriter {
  /** The memory written to. Replaced when it grows: do not keep it. */
  bytes: Buffer
  /** Bytes written. */
  length = 0

  constructor(capacity = 256) {
    this.bytes = Buffer.allocUnsafe(capacity)
  }

  /** Makes room for `count` bytes of any content and gives the place of the first. */
  reserve(count: number): number {
    const at = this.length
    const end = at + count
    if (end > this.bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, this.bytes.length * 2))
      this.bytes.copy(grown, 0, 0, at)
      this.bytes = grown
    }
    this.length = end
    return at
  }

  /** Makes room for `count` zero bytes and gives the place of the first. */
  zeros(count: number): number {
    const at = this.reserve(count)
    this.bytes.fill(0, at, this.length)
    return at
  }

  /** Starts an attribute; `type` includes the flags of its two top bits. Gives what `end` needs. */
  begin(type: number): number {
    const at = this.reserve(NLA_HDRLEN)
    writeU16(this.bytes, at + 2, type)
    return at
  }

  /** Begins an attribute that holds others; answers where, for `end()`. */
  beginNest(type: number): number {
    return this.begin(type | NLA_F_NESTED)
  }

  /**
   * Ends the attribute that `begin` started at `at`: writes its unpadded length, and pads.
   * @throws InvalidAttribute when it is longer than `nla_len`, 16 bits, can say
   */
  end(at: number): void {
    const length = this.length - at
    if (length > MAX_ATTRIBUTE) {
      throw new InvalidAttribute(
        'ERR_OUT_OF_RANGE',
        `at most ${MAX_ATTRIBUTE - NLA_HDRLEN} bytes when encoded`,
        length - NLA_HDRLEN,
      )
    }
    writeU16(this.bytes, at, length)
    this.zeros((NLA_ALIGNTO - (length % NLA_ALIGNTO)) % NLA_ALIGNTO)
  }

  /** A whole attribute of 4 bytes. */
  u32(type: number, value: number): void {
    const at = this.reserve(NLA_HDRLEN + 4)
    writeU16(this.bytes, at, NLA_HDRLEN + 4)
    writeU16(this.bytes, at + 2, type)
    writeU32(this.bytes, at + 4, value)
  }

  /** A whole attribute of these bytes. */
  binary(type: number, value: Uint8Array): void {
    const at = this.begin(type)
    const place = this.reserve(value.length)
    this.bytes.set(value, place)
    this.end(at)
  }

  /** What was written, in memory of its own that the writer does not touch again; the writer starts over. */
  take(): Buffer {
    const taken = this.bytes.subarray(0, this.length)
    this.bytes = Buffer.allocUnsafe(0)
    this.length = 0
    return taken
  }
}
