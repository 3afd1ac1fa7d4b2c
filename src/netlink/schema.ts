import type { Enumeration, Flags } from './enums.js'
import type { ByteOrder, FixedType, IntegerInput, IntegerType, IntegerValue } from './integers.js'
import type { AnyLayout, Layout } from './layout.js'
import type { AnyStruct, Struct } from './struct.js'

// The words a schema is written in: those of the kernel's own specifications (Documentation/netlink/netlink-raw.yaml),
// and the types that follow from what is written.

/** Attributes a schema has no name for, in the order they came. Written back, after all others, when encoded. */
export const unknownAttributes: unique symbol = Symbol('unknown attributes')

/** An attribute that the set does not define, kept as it came. */
export interface UnknownAttribute {
  /** `nla_type` without its two top bits: 0 to 16383. */
  type: number
  /** Its two top bits: `NLA_F_NESTED`, `NLA_F_NET_BYTEORDER`; none when left out. */
  flags?: number
  /** Its payload, without padding. */
  data: Uint8Array
}

/** A value, or a function that gives it: for sets that contain each other or themselves. */
export type Ref<T> = T | (() => T)

export interface IntegerChecks {
  readonly min?: number | bigint
  readonly max?: number | bigint
  /** The bits that may be set. */
  readonly flagsMask?: number | bigint
}

/** In bytes; for strings without the terminating NUL. */
export interface LengthChecks {
  readonly minLength?: number
  readonly maxLength?: number
  readonly exactLength?: number
}

export interface IntegerDefinition {
  readonly type: IntegerType
  /** The host's when left out. */
  readonly byteOrder?: ByteOrder
  /** Says in `nla_type` that the value is big-endian (`NLA_F_NET_BYTEORDER`); ipset insists on it. */
  readonly byteOrderFlag?: true
  readonly enum?: Enumeration | Flags
  /** Enforced when encoding, never when decoding. */
  readonly checks?: IntegerChecks
}

export interface StringDefinition {
  readonly type: 'string'
  /** Whether a NUL is sent after it; true by default. Decoding takes both. */
  readonly terminated?: boolean
  readonly checks?: LengthChecks
}

export interface BinaryDefinition {
  readonly type: 'binary'
  /** What the bytes are: a C struct, */
  readonly struct?: AnyStruct
  /** or integers of one type, one after another. */
  readonly of?: FixedType
  /** Of those integers. */
  readonly byteOrder?: ByteOrder
  readonly checks?: LengthChecks
}

/** `struct nla_bitfield32`: which bits are meant (`selector`), and what they are. */
export interface Bitfield32Definition {
  readonly type: 'bitfield32'
  readonly enum?: Flags
}

/** Present or not: `true`, or left out. */
export interface FlagDefinition {
  readonly type: 'flag'
}

export interface NestedDefinition {
  readonly type: 'nested'
  readonly of: Ref<AnyLayout>
}

export type Element =
  IntegerDefinition | StringDefinition | BinaryDefinition | Bitfield32Definition | FlagDefinition | NestedDefinition

/** A nest of entries whose types only count (`indexed-array`): numbered from 1 when encoded, not looked at when decoded. */
export interface ArrayDefinition {
  readonly type: 'array'
  readonly of: Ref<AnyLayout> | Element
}

/**
 * Nests whose types are values (`nest-type-value`), one level for each key: an array of objects that hold
 * the keys and what the innermost nest holds; an integer or bytes there appear as `value`.
 */
export interface TypeValueDefinition {
  readonly type: 'typeValue'
  readonly keys: readonly string[]
  readonly of: Ref<AnyLayout> | Element
}

/**
 * Attributes whose layout another attribute selects by its value, in the same set or in one around it.
 * Bytes where the selector is missing or has no layout here.
 */
export interface SubMessageDefinition {
  readonly type: 'subMessage'
  readonly selector: string
  readonly formats: Ref<Readonly<Record<string, AnyLayout>>>
}

/** Never encoded; skipped when decoding. */
export interface PadDefinition {
  readonly type: 'pad'
}

/** A number nobody may use: never encoded; kept as unknown when decoding. */
export interface UnusedDefinition {
  readonly type: 'unused'
}

export type Definition =
  Element | ArrayDefinition | TypeValueDefinition | SubMessageDefinition | PadDefinition | UnusedDefinition

/** How one attribute is defined: its number and its type. */
export type AttributeDefinition = Definition & {
  /** `nla_type`: 0 to 16383. */
  readonly id: number
  /** The attribute is repeated, once for each value of an array. */
  readonly multi?: true
}

/** The attributes of a set, by name. */
export type Definitions = Readonly<Record<string, AttributeDefinition>>

/** `{ value, selector }` of a bitfield32. */
export interface Bitfield32<V> {
  /** The bits. */
  value: V
  /** Which of the bits are meant. */
  selector: V
}

type Target<R> = R extends () => infer T ? T : R

type LayoutValue<R> = Target<R> extends Layout<infer T, any> ? T : never
type LayoutInput<R> = Target<R> extends Layout<any, infer I> ? I : never

// Format by format: inferred from all at once, one whose fields are all optional would swallow the others.
type AnyFormatValue<F> = { [K in keyof F]: LayoutValue<F[K]> }[keyof F]
type AnyFormatInput<F> = { [K in keyof F]: LayoutInput<F[K]> }[keyof F]

type IntegerOut<D> = D extends { type: infer T extends IntegerType; enum: Enumeration<infer N> }
  ? N | IntegerValue<T>
  : D extends { type: infer T extends IntegerType; enum: Flags<infer N> }
    ? (N | IntegerValue<T>)[]
    : D extends { type: infer T extends IntegerType }
      ? IntegerValue<T>
      : never

type IntegerIn<D> = D extends { type: infer T extends IntegerType; enum: Enumeration<infer N> }
  ? N | IntegerInput<T>
  : D extends { type: infer T extends IntegerType; enum: Flags<infer N> }
    ? readonly (N | IntegerInput<T>)[] | IntegerInput<T>
    : D extends { type: infer T extends IntegerType }
      ? IntegerInput<T>
      : never

type ElementOrLayoutValue<R> = R extends { type: string } ? ValueOf<R> : LayoutValue<R>
type ElementOrLayoutInput<R> = R extends { type: string } ? InputOf<R> : LayoutInput<R>

type Keyed<K extends string, V> = { [P in K]: number } & (V extends object
  ? V extends Uint8Array | readonly unknown[]
    ? { value: V }
    : V
  : { value: V })

/** What one attribute decodes to. */
export type ValueOf<D> = D extends { type: IntegerType }
  ? IntegerOut<D>
  : D extends { type: 'string' }
    ? string
    : D extends { type: 'binary'; struct: Struct<infer T, any> }
      ? T
      : D extends { type: 'binary'; of: infer T extends FixedType }
        ? IntegerValue<T>[]
        : D extends { type: 'binary' }
          ? Buffer
          : D extends { type: 'bitfield32'; enum: Flags<infer N> }
            ? Bitfield32<(N | number)[]>
            : D extends { type: 'bitfield32' }
              ? Bitfield32<number>
              : D extends { type: 'flag' }
                ? true
                : D extends { type: 'nested'; of: infer R }
                  ? LayoutValue<R>
                  : D extends { type: 'array'; of: infer R }
                    ? ElementOrLayoutValue<R>[]
                    : D extends { type: 'typeValue'; keys: readonly (infer K extends string)[]; of: infer R }
                      ? Keyed<K, ElementOrLayoutValue<R>>[]
                      : D extends { type: 'subMessage'; formats: infer F }
                        ? AnyFormatValue<Target<F>> | Buffer
                        : never

/** What one attribute can be encoded from. */
export type InputOf<D> = D extends { type: IntegerType }
  ? IntegerIn<D>
  : D extends { type: 'string' }
    ? string
    : D extends { type: 'binary'; struct: Struct<any, infer I> }
      ? I
      : D extends { type: 'binary'; of: infer T extends FixedType }
        ? readonly IntegerInput<T>[]
        : D extends { type: 'binary' }
          ? Uint8Array
          : D extends { type: 'bitfield32'; enum: Flags<infer N> }
            ? Bitfield32<readonly (N | number)[] | number>
            : D extends { type: 'bitfield32' }
              ? Bitfield32<number>
              : D extends { type: 'flag' }
                ? boolean
                : D extends { type: 'nested'; of: infer R }
                  ? LayoutInput<R>
                  : D extends { type: 'array'; of: infer R }
                    ? readonly ElementOrLayoutInput<R>[]
                    : D extends { type: 'typeValue'; keys: readonly (infer K extends string)[]; of: infer R }
                      ? readonly Keyed<K, ElementOrLayoutInput<R>>[]
                      : D extends { type: 'subMessage'; formats: infer F }
                        ? AnyFormatInput<Target<F>> | Uint8Array
                        : never

type Used<D extends Definitions, K extends keyof D> = D[K] extends { type: 'pad' | 'unused' } ? never : K

/** What a set decodes to: attributes that were not there are not there. */
export type DecodedAttributes<D extends Definitions> = {
  -readonly [K in keyof D as Used<D, K>]?: D[K] extends { multi: true } ? ValueOf<D[K]>[] : ValueOf<D[K]>
} & { [unknownAttributes]?: UnknownAttribute[] }

/** What a set can be encoded from: `undefined` is as good as left out. */
export type EncodableAttributes<D extends Definitions> = {
  -readonly [K in keyof D as Used<D, K>]?:
    (D[K] extends { multi: true } ? readonly InputOf<D[K]>[] : InputOf<D[K]>) | undefined
} & { [unknownAttributes]?: readonly UnknownAttribute[] | undefined }
