import { integer, invalidType, invalidValue } from '../arguments.js'
import { copyBytes, readU16 } from './bytes.js'
import { attributeEnd, type Codec, compile, within } from './codec.js'
import { align, NLA_F_NESTED, NLA_F_NET_BYTEORDER, NLA_HDRLEN, NLA_TYPE_MASK } from './constants.js'
import { InvalidAttribute } from './invalid.js'
import { type AnyLayout, Layout, type Scope, type Values } from './layout.js'
import {
  type AttributeDefinition,
  type DecodedAttributes,
  type Definitions,
  type EncodableAttributes,
  type UnknownAttribute,
  unknownAttributes,
} from './schema.js'
import { type AnyStruct, requireName, Struct } from './struct.js'
import type { AttributeWriter } from './writer.js'

interface Attribute {
  readonly name: string
  readonly id: number
  readonly multi: boolean
  readonly codec: Codec
  /** Read after the others of its set, for its selector may come later. */
  readonly deferred: boolean
}

/** Attributes of one space: names and types for the numbers of `nla_type`. Made by `attributes()`. */
export class AttributeSet<T, I = T> extends Layout<T, I> {
  /** What errors call it. */
  readonly name: string
  readonly headerSize = 0
  /** The attributes as they were defined. */
  readonly definitions: Definitions
  readonly #byId: (Attribute | 'pad' | undefined)[] = []
  readonly #byName = new Map<string, Attribute>()
  readonly #names = new Map<number, string>()
  readonly #nests: boolean

  constructor(name: string, definitions: Definitions) {
    super()
    this.name = name
    if (typeof definitions !== 'object' || definitions === null) {
      throw invalidType(name, definitions, 'an object of attributes: { id, type, … } by name')
    }
    this.definitions = Object.freeze({ ...definitions })
    let nests = false
    for (const [key, definition] of Object.entries(definitions)) {
      const path = `${name}.${key}`
      requireName(path, key)
      if (typeof definition !== 'object' || definition === null) {
        throw invalidType(path, definition, 'an object: { id, type, … }')
      }
      integer(`${path}.id`, definition.id, 0, NLA_TYPE_MASK)
      const taken = this.#names.get(definition.id)
      if (taken !== undefined) throw invalidValue(`${path}.id`, definition.id, `another one than that of '${taken}'`)
      this.#names.set(definition.id, key)
      if (definition.type === 'unused') continue
      if (definition.type === 'pad') {
        this.#byId[definition.id] = 'pad'
        continue
      }
      const codec = compile(path, definition)
      nests ||= codec.nests
      const attribute = {
        name: key,
        id: definition.id,
        multi: definition.multi === true,
        codec,
        deferred: definition.type === 'subMessage',
      }
      this.#byId[definition.id] = attribute
      this.#byName.set(key, attribute)
    }
    this.#nests = nests
  }

  /** The name of an attribute by its `nla_type`. */
  nameOf(id: number): string | undefined {
    return this.#names.get(id)
  }

  /** How an attribute was defined, by its `nla_type`. */
  definitionOf(id: number): AttributeDefinition | undefined {
    const name = this.#names.get(id)
    return name === undefined ? undefined : this.definitions[name]
  }

  /** @internal */
  readRange(bytes: Buffer, start: number, end: number, depth: number, parent: Scope | null): T {
    const out: Values = {}
    this.readInto(out, bytes, start, end, depth, parent)
    return out as T
  }

  /** @internal */
  readInto(out: Values, bytes: Buffer, start: number, end: number, depth: number, parent: Scope | null): void {
    const scope = this.#nests ? { values: out, parent } : null
    let later: { attribute: Attribute; start: number; end: number }[] | null = null
    let at = start
    while (at < end) {
      const stop = attributeEnd(bytes, at, end)
      const type = readU16(bytes, at + 2)
      const attribute = this.#byId[type & NLA_TYPE_MASK]
      if (attribute === undefined) keep(out, bytes, at, stop, type)
      else if (attribute !== 'pad') {
        if (attribute.deferred) (later ??= []).push({ attribute, start: at + NLA_HDRLEN, end: stop })
        else read(out, attribute, bytes, at + NLA_HDRLEN, stop, depth, scope)
      }
      at += (stop - at + 3) & ~3
    }
    if (later !== null) for (const one of later) read(out, one.attribute, bytes, one.start, one.end, depth, scope)
  }

  /** @internal */
  writeValue(writer: AttributeWriter, value: unknown, depth: number, parent: Scope | null): void {
    this.writeFrom(writer, value, depth, parent, null)
  }

  /** Writes the properties of `value` that are not in `skip`. @internal */
  writeFrom(
    writer: AttributeWriter,
    value: unknown,
    depth: number,
    parent: Scope | null,
    skip: ReadonlySet<string> | null,
  ): void {
    if (typeof value !== 'object' || value === null)
      throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', `an object, the attributes of ${this.name}`, value)
    const values = value as Values
    const scope = this.#nests ? { values, parent } : null
    for (const key of Object.keys(values)) {
      if (skip !== null && skip.has(key)) continue
      const one = values[key]
      const attribute = this.#byName.get(key)
      if (attribute === undefined) {
        throw new InvalidAttribute(
          'ERR_INVALID_ARG_VALUE',
          `made of the attributes of ${this.name} (${[...this.#byName.keys()].join(', ')})`,
          key,
        )
      }
      if (one === undefined) continue
      try {
        if (attribute.multi) writeAll(writer, attribute, one, depth, scope)
        else attribute.codec.write(writer, attribute.id, one, depth, scope)
      } catch (error) {
        throw within(error, key)
      }
    }
    const unknown = values[unknownAttributes]
    if (unknown !== undefined) writeUnknown(writer, unknown)
  }
}

function read(
  out: Values,
  attribute: Attribute,
  bytes: Buffer,
  start: number,
  end: number,
  depth: number,
  scope: Scope | null,
): void {
  try {
    const value = attribute.codec.read(bytes, start, end, depth, scope)
    const { name } = attribute
    if (!attribute.multi) out[name] = value
    else if (Object.hasOwn(out, name)) (out[name] as unknown[]).push(value)
    else out[name] = [value]
  } catch (error) {
    throw within(error, attribute.name)
  }
}

function keep(out: Values, bytes: Buffer, at: number, stop: number, type: number): void {
  const unknown: UnknownAttribute = {
    type: type & NLA_TYPE_MASK,
    flags: type & (NLA_F_NESTED | NLA_F_NET_BYTEORDER),
    data: copyBytes(bytes, at + NLA_HDRLEN, stop),
  }
  const kept = out[unknownAttributes] as UnknownAttribute[] | undefined
  if (kept === undefined) out[unknownAttributes] = [unknown]
  else kept.push(unknown)
}

function writeAll(
  writer: AttributeWriter,
  attribute: Attribute,
  values: unknown,
  depth: number,
  scope: Scope | null,
): void {
  if (!Array.isArray(values)) throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'an array', values)
  for (let i = 0; i < values.length; i++) {
    try {
      attribute.codec.write(writer, attribute.id, values[i], depth, scope)
    } catch (error) {
      throw within(error, `[${i}]`)
    }
  }
}

function writeUnknown(writer: AttributeWriter, unknown: unknown): void {
  const wanted = 'an array of { type, flags, data } under [unknownAttributes]'
  if (!Array.isArray(unknown)) throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', wanted, unknown)
  for (const one of unknown as (UnknownAttribute | null | undefined)[]) {
    const { type, flags = 0, data } = one ?? ({} as UnknownAttribute)
    if (
      !(data instanceof Uint8Array) ||
      !Number.isInteger(type) ||
      type < 0 ||
      type > NLA_TYPE_MASK ||
      (flags & ~(NLA_F_NESTED | NLA_F_NET_BYTEORDER)) !== 0
    ) {
      throw new InvalidAttribute('ERR_INVALID_ARG_VALUE', wanted, one)
    }
    writer.binary(type | flags, data)
  }
}

/** A fixed header, attributes, or both: what follows a netlink header. Made by `message()`. */
export class MessageLayout<T, I = T> extends Layout<T, I> {
  /** What errors call it. */
  readonly name: string
  /** Bytes of the fixed header; 0 without one. */
  readonly headerSize: number
  /** The fixed header, if there is one. */
  readonly header: AnyStruct | undefined
  /** The attributes behind the header, if there are any. */
  readonly attributes: AttributeSet<any, any> | undefined

  constructor(name: string, header: AnyStruct | undefined, attributes: AttributeSet<any, any> | undefined) {
    super()
    this.name = name
    this.header = header
    this.attributes = attributes
    this.headerSize = align(header?.size ?? 0)
    if (header !== undefined && !(header instanceof Struct))
      throw invalidType(`${name}.header`, header, 'what struct() gave')
    if (attributes !== undefined && !(attributes instanceof AttributeSet))
      throw invalidType(`${name}.attributes`, attributes, 'what attributes() gave')
    if (header === undefined && attributes === undefined)
      throw invalidValue(name, {}, 'given a header, attributes, or both')
    if (header !== undefined && attributes !== undefined && header.requiredSize !== header.size) {
      throw invalidValue(`${name}.header`, header.name, 'without optional members, for attributes follow it')
    }
    for (const member of header?.memberNames ?? []) {
      if (attributes !== undefined && Object.hasOwn(attributes.definitions, member)) {
        throw invalidValue(`${name}.header`, member, 'without members named as attributes')
      }
    }
  }

  /** The name of an attribute by its `nla_type`. */
  nameOf(id: number): string | undefined {
    return this.attributes?.nameOf(id)
  }

  /** How an attribute was defined, by its `nla_type`. */
  definitionOf(id: number): AttributeDefinition | undefined {
    return this.attributes?.definitionOf(id)
  }

  /** @internal */
  readRange(bytes: Buffer, start: number, end: number, depth: number, parent: Scope | null): T {
    const out: Values = {}
    const { header, attributes } = this
    const stop = header === undefined || attributes === undefined ? end : Math.min(end, start + header.size)
    if (header !== undefined) header.readInto(out, bytes, start, stop)
    if (attributes !== undefined)
      attributes.readInto(out, bytes, Math.min(end, start + this.headerSize), end, depth, parent)
    return out as T
  }

  /** @internal */
  writeValue(writer: AttributeWriter, value: unknown, depth: number, parent: Scope | null): void {
    const { header, attributes } = this
    if (typeof value !== 'object' || value === null)
      throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', `an object, the fields of ${this.name}`, value)
    if (header === undefined) {
      attributes?.writeValue(writer, value, depth, parent)
      return
    }
    if (attributes === undefined) {
      header.write(writer, value)
      return
    }
    const at = writer.zeros(this.headerSize)
    for (const member of header.memberNames) {
      if (Object.hasOwn(value, member)) header.writeMember(writer.bytes, at, member, (value as Values)[member])
    }
    attributes.writeFrom(writer, value, depth, parent, header.memberNames)
  }
}

type Both<H, A> = { [K in keyof (H & A)]: (H & A)[K] }
type NoFields = {}

/** What a `message()` or `attributes()` decodes to: `type Reply = Attributes<typeof Reply>`. */
export type Attributes<L extends AnyLayout> = L extends Layout<infer T, any> ? T : never
/** What a `message()` or `attributes()` can be encoded from. */
export type AttributesInput<L extends AnyLayout> = L extends Layout<any, infer I> ? I : never

/**
 * Declares the attributes of one space, for example
 * `attributes('echo', { text: { id: 1, type: 'string' }, count: { id: 2, type: 'u32' } })`.
 * A set that contains itself refers to itself by a function, and has to be given its type:
 * `const Tree: AttributeSet<Tree> = attributes('tree', { children: { id: 1, type: 'nested', of: () => Tree, multi: true } })`.
 * @throws TypeError, RangeError (`ERR_*`) for numbers used twice or out of range, and names that cannot be properties
 */
export function attributes<const D extends Definitions>(
  name: string,
  definitions: D,
): AttributeSet<DecodedAttributes<D>, EncodableAttributes<D>> {
  return new AttributeSet(name, definitions)
}

/**
 * Declares what follows a netlink header: a fixed header, attributes, or both, which become one flat object.
 * Members of the fixed header may be left out when encoding; they are zero then.
 */
export function message<HT = NoFields, HI = NoFields, AT = NoFields, AI = NoFields>(
  name: string,
  parts: { readonly header?: Struct<HT, HI>; readonly attributes?: AttributeSet<AT, AI> },
): MessageLayout<Both<HT, AT>, Both<HI, AI>> {
  return new MessageLayout(name, parts?.header, parts?.attributes)
}
