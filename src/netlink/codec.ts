import { invalidType, invalidValue } from '../arguments.js'
import { asBuffer, copyBytes, readU16, readU32, writeU32 } from './bytes.js'
import { NLA_F_NET_BYTEORDER, NLA_HDRLEN, NLA_TYPE_MASK } from './constants.js'
import { compileNames, type Names, requireNames } from './enums.js'
import {
  fixedInteger, isFixedType, isIntegerType, readVariable, requireByteOrder, requireNumber, variableInteger,
} from './integers.js'
import { InvalidAttribute } from './invalid.js'
import { type AnyLayout, Layout, MAX_DEPTH, type Scope, type Values } from './layout.js'
import { MalformedAttribute } from './malformed.js'
import type {
  ArrayDefinition,
  BinaryDefinition,
  Bitfield32Definition,
  Definition,
  Element,
  IntegerDefinition,
  LengthChecks,
  Ref,
  StringDefinition,
  SubMessageDefinition,
  TypeValueDefinition,
} from './schema.js'
import { Struct } from './struct.js'
import { readString, stringBytes } from './text.js'
import type { AttributeWriter } from './writer.js'

/** One attribute's value, compiled from its definition. */
export interface Codec {
  /** Whether it needs the values around it. */
  readonly nests: boolean
  /** @throws MalformedAttribute */
  read(bytes: Buffer, start: number, end: number, depth: number, scope: Scope | null): unknown
  /** Writes the whole attribute, header and padding too. @throws InvalidAttribute */
  write(writer: AttributeWriter, type: number, value: unknown, depth: number, scope: Scope | null): void
}

/** Puts `name` in front of the path of a failure on its way out. */
export function within(error: unknown, name: string): unknown {
  if (error instanceof InvalidAttribute || error instanceof MalformedAttribute) error.path.push(name)
  return error
}

export function resolve<T extends object>(ref: Ref<T>): T {
  return typeof ref === 'function' ? (ref as () => T)() : ref
}

/** The end of the attribute at `at`, unpadded. @throws MalformedAttribute unless all of it lies before `end` */
export function attributeEnd(bytes: Buffer, at: number, end: number): number {
  const left = end - at
  if (left < NLA_HDRLEN)
    throw new MalformedAttribute(`${left} bytes left, fewer than a header's ${NLA_HDRLEN}`, at, left)
  const length = readU16(bytes, at)
  if (length < NLA_HDRLEN)
    throw new MalformedAttribute(`nla_len is ${length}, less than its own header's ${NLA_HDRLEN}`, at, length)
  if (length > left)
    throw new MalformedAttribute(`nla_len is ${length}, but its parent has ${left} bytes left`, at, length)
  return at + length
}

function wrongSize(type: string, expected: string, start: number, end: number): never {
  throw new MalformedAttribute(`${type} of ${end - start} bytes instead of ${expected}`, start, end - start)
}

export function compile(path: string, definition: Definition): Codec {
  switch (definition.type) {
    case 'string':
      return compileString(definition)
    case 'binary':
      return compileBinary(path, definition)
    case 'flag':
      return flagCodec
    case 'bitfield32':
      return compileBitfield(path, definition)
    case 'nested':
      return compileNested(path, definition.of)
    case 'array':
      return compileArray(path, definition)
    case 'typeValue':
      return compileTypeValue(path, definition)
    case 'subMessage':
      return compileSubMessage(path, definition)
    default:
      if (isIntegerType(definition.type)) return compileInteger(path, definition as IntegerDefinition)
      throw invalidValue(`${path}.type`, definition.type, 'a type of attribute')
  }
}

function compileInteger(path: string, definition: IntegerDefinition): Codec {
  const { type, byteOrder } = definition
  requireByteOrder(path, byteOrder)
  requireNames(path, definition.enum)
  const names = definition.enum === undefined ? undefined : compileNames(definition.enum, type)
  const check = compileIntegerChecks(definition)
  const flag = definition.byteOrderFlag === true ? NLA_F_NET_BYTEORDER : 0
  if (type === 'uint' || type === 'sint') {
    return {
      nests: false,
      read(bytes, start, end) {
        const value = readVariable(type, byteOrder, bytes, start, end)
        return names === undefined ? value : names.decode(value)
      },
      write(writer, id, value) {
        const number = names === undefined ? value : names.encode(value)
        const integer = variableInteger(type, byteOrder, number)
        check?.(number as number | bigint)
        const header = writer.begin(id | flag)
        const at = writer.reserve(integer.size)
        integer.write(writer.bytes, at, number)
        writer.end(header)
      },
    }
  }
  const integer = fixedInteger(type, byteOrder)
  const { size, read } = integer
  const readValue: Codec['read'] =
    names === undefined
      ? (bytes, start, end) => (end - start === size ? read(bytes, start) : wrongSize(type, `${size}`, start, end))
      : (bytes, start, end) =>
          end - start === size ? names.decode(read(bytes, start)) : wrongSize(type, `${size}`, start, end)
  return {
    nests: false,
    read: readValue,
    write(writer, id, value) {
      const number = names === undefined ? value : names.encode(value)
      const header = writer.begin(id | flag)
      const at = writer.reserve(size)
      integer.write(writer.bytes, at, number)
      check?.(number as number | bigint)
      writer.end(header)
    },
  }
}

function compileIntegerChecks({ checks }: IntegerDefinition): ((value: number | bigint) => void) | undefined {
  if (checks === undefined) return undefined
  const { min, max, flagsMask } = checks
  return (value) => {
    if (min !== undefined && value < min) throw new InvalidAttribute('ERR_OUT_OF_RANGE', `at least ${min}`, value)
    if (max !== undefined && value > max) throw new InvalidAttribute('ERR_OUT_OF_RANGE', `at most ${max}`, value)
    if (flagsMask !== undefined && (BigInt(value) & ~BigInt(flagsMask)) !== 0n) {
      throw new InvalidAttribute('ERR_OUT_OF_RANGE', `made of the bits of 0x${flagsMask.toString(16)}`, value)
    }
  }
}

function checkLength(checks: LengthChecks | undefined, length: number, value: unknown): void {
  if (checks === undefined) return
  const { minLength, maxLength, exactLength } = checks
  if (exactLength !== undefined && length !== exactLength)
    throw new InvalidAttribute('ERR_OUT_OF_RANGE', `${exactLength} bytes long`, value)
  if (minLength !== undefined && length < minLength)
    throw new InvalidAttribute('ERR_OUT_OF_RANGE', `at least ${minLength} bytes long`, value)
  if (maxLength !== undefined && length > maxLength)
    throw new InvalidAttribute('ERR_OUT_OF_RANGE', `at most ${maxLength} bytes long`, value)
}

function compileString({ terminated = true, checks }: StringDefinition): Codec {
  return {
    nests: false,
    read: readString,
    write(writer, id, value) {
      if (typeof value !== 'string') throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'a string', value)
      const text = stringBytes(value)
      if ('refused' in text) throw new InvalidAttribute('ERR_INVALID_ARG_VALUE', text.refused, value)
      checkLength(checks, text.length, value)
      const header = writer.begin(id)
      const at = writer.reserve(text.length)
      writer.bytes.set(text, at)
      if (terminated) writer.zeros(1)
      writer.end(header)
    },
  }
}

function compileBinary(path: string, { struct, of, byteOrder, checks }: BinaryDefinition): Codec {
  if (struct !== undefined) {
    if (!(struct instanceof Struct)) throw invalidType(`${path}.struct`, struct, 'what struct() gave')
    return {
      nests: false,
      read: (bytes, start, end) => struct.readRange(bytes, start, end),
      write(writer, id, value) {
        const header = writer.begin(id)
        const start = writer.length
        struct.write(writer, value)
        checkLength(checks, writer.length - start, value)
        writer.end(header)
      },
    }
  }
  if (of !== undefined) {
    if (!isFixedType(of)) throw invalidValue(`${path}.of`, of, 'the type of an integer of fixed size')
    requireByteOrder(path, byteOrder)
    const { size, read, write } = fixedInteger(of, byteOrder)
    return {
      nests: false,
      read(bytes, start, end) {
        if ((end - start) % size !== 0) wrongSize(`${of}[]`, `a multiple of ${size}`, start, end)
        const values: (number | bigint)[] = []
        for (let at = start; at < end; at += size) values.push(read(bytes, at))
        return values
      },
      write(writer, id, value) {
        if (!Array.isArray(value)) throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'an array', value)
        checkLength(checks, value.length * size, value)
        const header = writer.begin(id)
        for (let i = 0; i < value.length; i++) {
          const at = writer.reserve(size)
          try {
            write(writer.bytes, at, value[i])
          } catch (error) {
            throw within(error, `[${i}]`)
          }
        }
        writer.end(header)
      },
    }
  }
  return {
    nests: false,
    read: copyBytes,
    write(writer, id, value) {
      if (!(value instanceof Uint8Array)) throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'a Uint8Array', value)
      checkLength(checks, value.length, value)
      writer.binary(id, value)
    },
  }
}

const flagCodec: Codec = {
  nests: false,
  // The kernel looks at a flag's presence only.
  read: () => true,
  write(writer, id, value) {
    if (typeof value !== 'boolean') throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'a boolean', value)
    if (value) writer.end(writer.begin(id))
  },
}

function compileBitfield(path: string, definition: Bitfield32Definition): Codec {
  requireNames(path, definition.enum, ['flags'])
  const names: Names | undefined = definition.enum === undefined ? undefined : compileNames(definition.enum, 'u32')
  const part = (value: unknown, name: string): number => {
    try {
      return requireNumber(names === undefined ? value : names.encode(value), 0, 0xffff_ffff)
    } catch (error) {
      throw within(error, name)
    }
  }
  return {
    nests: false,
    read(bytes, start, end) {
      if (end - start !== 8) wrongSize('bitfield32', '8', start, end)
      const value = readU32(bytes, start)
      const selector = readU32(bytes, start + 4)
      return names === undefined
        ? { value, selector }
        : { value: names.decode(value), selector: names.decode(selector) }
    },
    write(writer, id, value) {
      if (typeof value !== 'object' || value === null)
        throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'an object: { value, selector }', value)
      const field = value as { value: unknown; selector: unknown }
      const header = writer.begin(id)
      const at = writer.reserve(8)
      writeU32(writer.bytes, at, part(field.value, 'value'))
      writeU32(writer.bytes, at + 4, part(field.selector, 'selector'))
      writer.end(header)
    },
  }
}

function deeper(depth: number, start: number, end: number): number {
  if (depth >= MAX_DEPTH) throw new MalformedAttribute(`nested deeper than ${MAX_DEPTH} levels`, start, end - start)
  return depth + 1
}

function deeperWrite(depth: number, value: unknown): number {
  if (depth >= MAX_DEPTH)
    throw new InvalidAttribute('ERR_OUT_OF_RANGE', `nested at most ${MAX_DEPTH} levels deep`, value)
  return depth + 1
}

function compileNested(path: string, of: Ref<AnyLayout>): Codec {
  if (typeof of !== 'function' && !(of instanceof Layout)) {
    throw invalidType(`${path}.of`, of, 'what attributes() or message() gave, or a function that gives it')
  }
  return {
    nests: true,
    read: (bytes, start, end, depth, scope) =>
      resolve(of).readRange(bytes, start, end, deeper(depth, start, end), scope),
    write(writer, id, value, depth, scope) {
      const header = writer.beginNest(id)
      resolve(of).writeValue(writer, value, deeperWrite(depth, value), scope)
      writer.end(header)
    },
  }
}

/** The codec of an entry, and whether its value is an object that keys can be put in. */
function compileEntry(path: string, of: Ref<AnyLayout> | Element): { codec: Codec; isLayout: boolean } {
  if (typeof of === 'object' && of !== null && 'type' in of && typeof of.type === 'string')
    return { codec: compile(`${path}.of`, of), isLayout: of.type === 'nested' }
  return { codec: compileNested(path, of as Ref<AnyLayout>), isLayout: true }
}

function compileArray(path: string, { of }: ArrayDefinition): Codec {
  const { codec } = compileEntry(path, of)
  return {
    nests: true,
    read(bytes, start, end, depth, scope) {
      const inside = deeper(depth, start, end)
      const values: unknown[] = []
      let at = start
      try {
        while (at < end) {
          const stop = attributeEnd(bytes, at, end)
          values.push(codec.read(bytes, at + NLA_HDRLEN, stop, inside, scope))
          at += (stop - at + 3) & ~3
        }
      } catch (error) {
        throw within(error, `[${values.length}]`)
      }
      return values
    },
    write(writer, id, value, depth, scope) {
      if (!Array.isArray(value)) throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'an array', value)
      // Types from 1, for nla_parse() skips type 0; past the 14 bits they have, nobody could count them any more.
      if (value.length > NLA_TYPE_MASK)
        throw new InvalidAttribute('ERR_OUT_OF_RANGE', `at most ${NLA_TYPE_MASK} entries`, value)
      const inside = deeperWrite(depth, value)
      const header = writer.beginNest(id)
      for (let i = 0; i < value.length; i++) {
        try {
          codec.write(writer, i + 1, value[i], inside, scope)
        } catch (error) {
          throw within(error, `[${i}]`)
        }
      }
      writer.end(header)
    },
  }
}

function compileTypeValue(path: string, { keys, of }: TypeValueDefinition): Codec {
  const { codec, isLayout } = compileEntry(path, of)
  if (!Array.isArray(keys)) throw invalidType(`${path}.keys`, keys, 'an array of names')
  if (keys.length === 0) throw invalidValue(`${path}.keys`, keys, 'at least one name')
  const last = keys.length - 1

  function readLevel(
    level: number,
    found: number[],
    out: Values[],
    bytes: Buffer,
    start: number,
    end: number,
    depth: number,
    scope: Scope | null,
  ): void {
    const inside = deeper(depth, start, end)
    let at = start
    while (at < end) {
      const stop = attributeEnd(bytes, at, end)
      const type = readU16(bytes, at + 2) & NLA_TYPE_MASK
      try {
        found[level] = type
        if (level < last) readLevel(level + 1, found, out, bytes, at + NLA_HDRLEN, stop, inside, scope)
        // Where 64-bit values are aligned the kernel puts empty attributes between them (nla_put_u64_64bit).
        else if (isLayout || stop - at > NLA_HDRLEN)
          out.push(entry(found, codec.read(bytes, at + NLA_HDRLEN, stop, inside, scope)))
      } catch (error) {
        throw within(error, `${type}`)
      }
      at += (stop - at + 3) & ~3
    }
  }

  function entry(found: readonly number[], value: unknown): Values {
    const object: Values = {}
    for (let i = 0; i <= last; i++) object[keys[i]!] = found[i]
    return isLayout ? Object.assign(object, value) : Object.assign(object, { value })
  }

  function keyOf(value: unknown, key: string): number {
    if (typeof value !== 'object' || value === null) {
      throw new InvalidAttribute(
        'ERR_INVALID_ARG_TYPE',
        `an object with ${keys.join(', ')}${isLayout ? '' : ', value'}`,
        value,
      )
    }
    try {
      return requireNumber((value as Values)[key], 0, NLA_TYPE_MASK)
    } catch (error) {
      throw within(error, key)
    }
  }

  function content(value: Values): unknown {
    if (!isLayout) return value['value']
    const rest = { ...value }
    for (const key of keys) delete rest[key]
    return rest
  }

  return {
    nests: true,
    read(bytes, start, end, depth, scope) {
      const out: Values[] = []
      readLevel(0, [], out, bytes, start, end, depth, scope)
      return out
    },
    write(writer, id, value, depth, scope) {
      if (!Array.isArray(value)) throw new InvalidAttribute('ERR_INVALID_ARG_TYPE', 'an array', value)
      let inside = deeperWrite(depth, value)
      for (let level = 0; level < last; level++) inside = deeperWrite(inside, value)
      const header = writer.beginNest(id)
      // Neighbours with the same outer keys share the nests of those keys.
      const open: { type: number; at: number }[] = []
      for (let i = 0; i < value.length; i++) {
        try {
          const types = keys.map((key) => keyOf(value[i], key))
          let shared = 0
          while (shared < open.length && open[shared]!.type === types[shared]) shared++
          while (open.length > shared) writer.end(open.pop()!.at)
          for (let level = shared; level < last; level++)
            open.push({ type: types[level]!, at: writer.beginNest(types[level]!) })
          codec.write(writer, types[last]!, content(value[i] as Values), inside, scope)
        } catch (error) {
          throw within(error, `[${i}]`)
        }
      }
      while (open.length > 0) writer.end(open.pop()!.at)
      writer.end(header)
    },
  }
}

/** The layout the selector picks, looked for in the values around, from the innermost outwards. */
export function selectLayout(
  { selector, formats }: SubMessageDefinition,
  scope: Scope | null,
): { layout: AnyLayout | undefined; value: unknown } {
  for (let around = scope; around !== null; around = around.parent) {
    const value = Object.hasOwn(around.values, selector) ? around.values[selector] : undefined
    if (value === undefined) continue
    const known = resolve(formats)
    const key = String(value)
    return { layout: Object.hasOwn(known, key) ? known[key] : undefined, value }
  }
  return { layout: undefined, value: undefined }
}

function compileSubMessage(path: string, definition: SubMessageDefinition): Codec {
  const { selector, formats } = definition
  if (typeof selector !== 'string') throw invalidType(`${path}.selector`, selector, 'the name of an attribute')
  if (typeof formats !== 'function' && (typeof formats !== 'object' || formats === null)) {
    throw invalidType(`${path}.formats`, formats, 'layouts by what selects them, or a function that gives them')
  }
  return {
    nests: true,
    read(bytes, start, end, depth, scope) {
      const { layout } = selectLayout(definition, scope)
      if (layout === undefined) return copyBytes(bytes, start, end)
      return layout.readRange(bytes, start, end, deeper(depth, start, end), scope)
    },
    write(writer, id, value, depth, scope) {
      // Bytes are taken whatever the selector says: what could not be decoded can still be sent back.
      if (value instanceof Uint8Array) {
        const header = writer.beginNest(id)
        const at = writer.reserve(value.length)
        writer.bytes.set(asBuffer(value), at)
        writer.end(header)
        return
      }
      const { layout, value: selected } = selectLayout(definition, scope)
      if (layout === undefined) {
        const known = Object.keys(resolve(definition.formats)).join(', ')
        throw new InvalidAttribute(
          'ERR_INVALID_ARG_VALUE',
          `a Uint8Array, or its selector '${definition.selector}' (${selected === undefined ? 'missing' : `'${String(selected)}'`}) one of ${known}`,
          value,
        )
      }
      const header = writer.beginNest(id)
      layout.writeValue(writer, value, deeperWrite(depth, value), scope)
      writer.end(header)
    },
  }
}
