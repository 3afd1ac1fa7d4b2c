import { integer, invalidType } from '../arguments.js'
import { asBuffer } from './bytes.js'
import { InvalidAttribute } from './invalid.js'
import { MalformedAttribute } from './malformed.js'
import type { AttributeDefinition } from './schema.js'
import { AttributeWriter } from './writer.js'

/**
 * How deep attributes may be nested, in either direction. The kernel's own validation stops at 10;
 * 64 KiB of nests within nests would otherwise be 16,000 calls deep.
 */
export const MAX_DEPTH = 64

export type Values = Record<PropertyKey, unknown>

/** The values around a nest, for sub-messages whose selector is further out. */
export interface Scope {
  readonly values: Values
  readonly parent: Scope | null
}

/** Something that stands in a message, or in a nest: a set of attributes, or a fixed header and a set. */
export abstract class Layout<T, I> {
  /** What errors call it. */
  abstract readonly name: string

  /** Bytes from its start to the first attribute. */
  abstract readonly headerSize: number

  /** The name of an attribute's number. */
  abstract nameOf(id: number): string | undefined

  /** The definition of an attribute's number. */
  abstract definitionOf(id: number): AttributeDefinition | undefined

  /** @internal @throws MalformedAttribute */
  abstract readRange(bytes: Buffer, start: number, end: number, depth: number, parent: Scope | null): T

  /** @internal @throws InvalidAttribute */
  abstract writeValue(writer: AttributeWriter, value: unknown, depth: number, parent: Scope | null): void

  /**
   * The bytes of `value`, attributes in the order of its properties.
   * @throws TypeError (`ERR_INVALID_ARG_TYPE`, `ERR_INVALID_ARG_VALUE`), RangeError (`ERR_OUT_OF_RANGE`) naming the path of
   *   the attribute, what was given and what is allowed
   */
  encode(value: I): Buffer {
    const writer = new AttributeWriter()
    this.encodeInto(writer, value)
    return writer.take()
  }

  /** As `encode`, behind what `writer` already holds. After an error it holds what it held before. */
  encodeInto(writer: AttributeWriter, value: I): void {
    const before = writer.length
    try {
      this.writeValue(writer, value, 0, null)
    } catch (error) {
      writer.length = before
      throw error instanceof InvalidAttribute ? error.toError(this.name) : error
    }
  }

  /**
   * Decodes `bytes` from `start` to `end`. The result shares no memory with them.
   *
   * Lengths are believed only as far as they fit their parent. Attributes without a name are kept under
   * `[unknownAttributes]`; of an attribute given twice that is not `multi` the last one counts, as for the kernel.
   * @throws NetlinkFormatError (`ERR_NETLINK_MALFORMED`) with the path and offset of what is malformed: a length that
   *   does not fit, a value of the wrong size, or more than 64 levels of nesting
   */
  decode(bytes: Uint8Array, start = 0, end = bytes?.length): T {
    if (!(bytes instanceof Uint8Array)) throw invalidType('bytes', bytes, 'a Uint8Array')
    integer('end', end, 0, bytes.length)
    integer('start', start, 0, end)
    try {
      return this.readRange(asBuffer(bytes), start, end, 0, null)
    } catch (error) {
      throw error instanceof MalformedAttribute ? error.toError(this.name) : error
    }
  }
}

/** A layout of whatever type. */
export type AnyLayout = Layout<any, any>
