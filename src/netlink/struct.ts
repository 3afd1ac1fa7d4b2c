import { invalidType, invalidValue, outOfRange } from '../arguments.js'
import { asBuffer, copyBytes } from './bytes.js'
import { compileNames, type Enumeration, type Flags, requireNames } from './enums.js'
import {
  type ByteOrder,
  fixedInteger,
  type FixedType,
  type IntegerInput,
  type IntegerValue,
  isFixedType,
  requireByteOrder,
} from './integers.js'
import { InvalidAttribute } from './invalid.js'
import { MalformedAttribute } from './malformed.js'
import { readString, stringBytes } from './text.js'
import type { AttributeWriter } from './writer.js'

/** Bytes of a struct after the last member they hold wholly, from a kernel of another age. Written back when encoded. */
export const trailingBytes: unique symbol = Symbol('trailing bytes')

/** A member of a struct: an integer by its type alone, or with more to say. There is no implicit padding: declare it as `pad`. */
export type Member =
  | FixedType
  | {
      readonly type: FixedType
      readonly byteOrder?: ByteOrder
      readonly enum?: Enumeration | Flags
      /** Added by a later kernel: may be missing at the end of a struct, whether received or sent. */
      readonly optional?: true
    }
  /** `length` bytes. Shorter input is padded with zeros. */
  | { readonly type: 'binary'; readonly length: number; readonly optional?: true }
  /** A C string in an array of `length` bytes, zero-padded. */
  | { readonly type: 'string'; readonly length: number; readonly optional?: true }
  /** `length` zero bytes that nobody reads. */
  | { readonly type: 'pad'; readonly length: number; readonly optional?: true }
  | { readonly type: 'struct'; readonly of: AnyStruct; readonly optional?: true }

export type Members = Readonly<Record<string, Member>>

type MemberValue<M> = M extends FixedType
  ? IntegerValue<M>
  : M extends { type: infer T extends FixedType; enum: Enumeration<infer N> }
    ? N | IntegerValue<T>
    : M extends { type: infer T extends FixedType; enum: Flags<infer N> }
      ? (N | IntegerValue<T>)[]
      : M extends { type: infer T extends FixedType }
        ? IntegerValue<T>
        : M extends { type: 'string' }
          ? string
          : M extends { type: 'struct'; of: Struct<infer V, any> }
            ? V
            : Buffer

type MemberInput<M> = M extends FixedType
  ? IntegerInput<M>
  : M extends { type: infer T extends FixedType; enum: Enumeration<infer N> }
    ? N | IntegerInput<T>
    : M extends { type: infer T extends FixedType; enum: Flags<infer N> }
      ? readonly (N | IntegerInput<T>)[] | IntegerInput<T>
      : M extends { type: infer T extends FixedType }
        ? IntegerInput<T>
        : M extends { type: 'string' }
          ? string
          : M extends { type: 'struct'; of: Struct<any, infer I> }
            ? I
            : Uint8Array

type Flatten<T> = { [K in keyof T]: T[K] }

export type StructValue<M extends Members> = Flatten<
  { -readonly [K in keyof M as M[K] extends { type: 'pad' } | { optional: true } ? never : K]: MemberValue<M[K]> } & {
    -readonly [
      K in keyof M as M[K] extends { type: 'pad' } ? never : M[K] extends { optional: true } ? K : never
    ]?: MemberValue<M[K]>
  } & { [trailingBytes]?: Buffer }
>

/** What `encode` takes: members left out are zero, and optional ones at the end are not there. */
export type StructInput<M extends Members> = Flatten<
  { -readonly [K in keyof M as M[K] extends { type: 'pad' } ? never : K]?: MemberInput<M[K]> | undefined } & {
    [trailingBytes]?: Uint8Array | undefined
  }
>

export type AnyStruct = Struct<any, any>

interface CompiledMember {
  readonly name: string
  readonly offset: number
  readonly size: number
  readonly optional: boolean
  readonly hidden: boolean
  read(bytes: Buffer, at: number): unknown
  write(bytes: Buffer, at: number, value: unknown): void
}

const sizedTypes: ReadonlySet<string> = new Set(['pad', 'binary', 'string'])

function compileMember(path: string, name: string, member: Member, offset: number): CompiledMember {
  const full = typeof member === 'string' ? { type: member } : member
  if (typeof full !== 'object' || full === null) throw invalidType(path, member, 'a type or an object: { type, … }')
  const common = {
    name,
    offset,
    optional: typeof member !== 'string' && member.optional === true,
    hidden: full.type === 'pad',
  }
  if (full.type === 'struct') {
    const inner = full.of
    if (!(inner instanceof Struct)) throw invalidType(`${path}.of`, inner, 'what struct() gave')
    return {
      ...common,
      size: inner.size,
      read: (bytes, at) => inner.readRange(bytes, at, at + inner.size),
      write: (bytes, at, value) => inner.writeAt(bytes, at, value),
    }
  }
  if (isFixedType(full.type)) {
    const { enum: names, byteOrder } = full as { enum?: Enumeration | Flags; byteOrder?: ByteOrder }
    requireByteOrder(path, byteOrder)
    requireNames(path, names)
    const integer = fixedInteger(full.type, byteOrder)
    if (names === undefined) return { ...common, size: integer.size, read: integer.read, write: integer.write }
    const named = compileNames(names, full.type)
    return {
      ...common,
      size: integer.size,
      read: (bytes, at) => named.decode(integer.read(bytes, at)),
      write: (bytes, at, value) => integer.write(bytes, at, named.encode(value)),
    }
  }
  const type: string = full.type
  if (!sizedTypes.has(type)) throw invalidValue(`${path}.type`, type, 'the type of a struct member')
  const size = (full as { length: number }).length
  if (!Number.isInteger(size) || size < 0 || size > 0xffff)
    throw outOfRange(`${path}.length`, size, 'an integer from 0 to 65535')
  switch (full.type) {
    case 'pad':
      return { ...common, size, read: () => undefined, write: () => undefined }
    case 'binary':
      return {
        ...common,
        size,
        read: (bytes, at) => copyBytes(bytes, at, at + size),
        write(bytes, at, value) {
          if (!(value instanceof Uint8Array)) throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'a Uint8Array', value)
          if (value.length > size) throw new InvalidAttribute('ERR_OUT_OF_RANGE', `at most ${size} bytes`, value)
          bytes.set(value, at)
        },
      }
    case 'string':
      return {
        ...common,
        size,
        read: (bytes, at) => readString(bytes, at, at + size),
        write(bytes, at, value) {
          if (typeof value !== 'string') throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'a string', value)
          const text = stringBytes(value)
          if ('refused' in text) throw new InvalidAttribute('ERR_INVALID_ARG_VALUE', text.refused, value)
          if (text.length > size)
            throw new InvalidAttribute('ERR_OUT_OF_RANGE', `at most ${size} bytes of UTF-8`, value)
          bytes.set(text, at)
        },
      }
  }
}

/**
 * A C struct in the host's layout, members in the order they are declared.
 * Made by `struct()`; `T` is what it decodes to, `I` what it encodes.
 */
export class Struct<T, I = T> {
  /** What errors call it. */
  readonly name: string
  /** Bytes of all members. */
  readonly size: number
  /** Bytes without the optional members at the end: fewer are malformed. */
  readonly requiredSize: number
  /** The names of its members. */
  readonly memberNames: ReadonlySet<string>
  readonly #members: readonly CompiledMember[]
  readonly #byName: ReadonlyMap<string, CompiledMember>

  constructor(name: string, members: Members) {
    this.name = name
    if (typeof members !== 'object' || members === null) throw invalidType(name, members, 'an object of members')
    let size = 0
    let required = 0
    const compiled: CompiledMember[] = []
    for (const [memberName, member] of Object.entries(members)) {
      requireName(`${name}.${memberName}`, memberName)
      const next = compileMember(`${name}.${memberName}`, memberName, member, size)
      size += next.size
      if (!next.optional) {
        if (required < size - next.size) {
          throw invalidValue(`${name}.${memberName}`, member, 'optional, for it comes after an optional member')
        }
        required = size
      }
      compiled.push(next)
    }
    this.size = size
    this.requiredSize = required
    this.#members = compiled
    this.#byName = new Map(compiled.filter((member) => !member.hidden).map((member) => [member.name, member]))
    this.memberNames = new Set(this.#byName.keys())
  }

  /**
   * @throws TypeError, RangeError (`ERR_*`) naming the member that cannot be encoded
   */
  encode(value: I): Buffer {
    try {
      const rest = trailing(value)
      const size = this.#sizeOf(value)
      const bytes = Buffer.alloc(size + rest.length)
      this.writeAt(bytes, 0, value)
      bytes.set(rest, size)
      return bytes
    } catch (error) {
      throw error instanceof InvalidAttribute ? error.toError(this.name) : error
    }
  }

  /** @throws NetlinkFormatError when there are fewer bytes than the members that are not optional */
  decode(bytes: Uint8Array): T {
    if (!(bytes instanceof Uint8Array)) throw invalidType('bytes', bytes, 'a Uint8Array')
    try {
      return this.readRange(asBuffer(bytes), 0, bytes.length)
    } catch (error) {
      throw error instanceof MalformedAttribute ? error.toError(this.name) : error
    }
  }

  /** @internal */
  readRange(bytes: Buffer, start: number, end: number): T {
    const out = {}
    this.readInto(out, bytes, start, end)
    return out as T
  }

  /** @internal */
  readInto(out: Record<PropertyKey, unknown>, bytes: Buffer, start: number, end: number): void {
    const length = end - start
    if (length < this.requiredSize) {
      throw new MalformedAttribute(
        `struct ${this.name} has ${length} bytes instead of ${this.requiredSize}`,
        start,
        length,
      )
    }
    for (const member of this.#members) {
      if (member.hidden) continue
      // An older kernel's: a later member is not there, or not whole.
      if (member.offset + member.size > length) break
      out[member.name] = member.read(bytes, start + member.offset)
    }
    const known = this.#sizeUpTo(length)
    if (length > known) out[trailingBytes] = copyBytes(bytes, start + known, end)
  }

  /** The end of the last member that lies wholly within `length` bytes. */
  #sizeUpTo(length: number): number {
    if (length >= this.size) return this.size
    let size = 0
    for (const member of this.#members) if (member.offset + member.size <= length) size = member.offset + member.size
    return size
  }

  /** Bytes that `value` takes: up to its last optional member, or the last that is not optional. */
  #sizeOf(value: unknown): number {
    if (this.requiredSize === this.size || typeof value !== 'object' || value === null) return this.size
    let size = this.requiredSize
    for (const { name, offset, size: own } of this.#members) {
      if (Object.hasOwn(value, name) && (value as Record<string, unknown>)[name] !== undefined)
        size = Math.max(size, offset + own)
    }
    return size
  }

  /** Writes into zeroed bytes. @internal */
  writeAt(bytes: Buffer, at: number, value: unknown): void {
    if (typeof value !== 'object' || value === null)
      throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', `an object, the members of ${this.name}`, value)
    for (const key of Object.keys(value)) {
      const member = this.#byName.get(key)
      if (member === undefined) {
        throw new InvalidAttribute(
          'ERR_INVALID_ARG_VALUE',
          `made of the members of ${this.name} (${[...this.#byName.keys()].join(', ')})`,
          key,
        )
      }
      this.writeMember(bytes, at, member.name, (value as Record<string, unknown>)[key])
    }
  }

  /** @internal */
  writeMember(bytes: Buffer, at: number, name: string, value: unknown): void {
    if (value === undefined) return
    const member = this.#byName.get(name)!
    try {
      member.write(bytes, at + member.offset, value)
    } catch (error) {
      if (error instanceof InvalidAttribute) error.path.push(name)
      throw error
    }
  }

  /** @internal */
  write(writer: AttributeWriter, value: unknown): void {
    const rest = trailing(value)
    const size = this.#sizeOf(value)
    const at = writer.zeros(size + rest.length)
    this.writeAt(writer.bytes, at, value)
    writer.bytes.set(rest, at + size)
  }
}

const nothing = new Uint8Array(0)

function trailing(value: unknown): Uint8Array {
  if (typeof value !== 'object' || value === null) return nothing
  const rest = (value as Record<PropertyKey, unknown>)[trailingBytes]
  if (rest === undefined) return nothing
  if (!(rest instanceof Uint8Array))
    throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'followed by a Uint8Array under [trailingBytes]', rest)
  return rest
}

/**
 * Names become properties of decoded objects: an integer-like one would change their order,
 * and `__proto__` would be no property at all.
 */
export function requireName(path: string, name: string): void {
  if (name === '' || name === '__proto__' || /^\d+$/.test(name)) {
    throw invalidValue(path, name, "a name that is not empty, not a number, and not '__proto__'")
  }
}

/**
 * Declares a struct: `struct('rtgenmsg', { family: 'u8', pad: { type: 'pad', length: 3 } })`.
 * A struct of integers without padding members has none on the wire either.
 */
export function struct<const M extends Members>(name: string, members: M): Struct<StructValue<M>, StructInput<M>> {
  return new Struct(name, members)
}
