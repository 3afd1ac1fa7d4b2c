// Schemas themselves: the types that follow from them, and those that cannot be.
import test from 'ava'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { attributes, enumeration, flags, message, struct, walkMessages } from 'nearwire/netlink'
import { Echo, Headed, Inner } from './helpers/netlink-echo.mjs'

test('the compiler infers the types of every kind of attribute, and refuses what cannot be encoded', (t) => {
  const compiler = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url))
  const project = fileURLToPath(new URL('types/tsconfig.json', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [compiler, '-p', project], { encoding: 'utf8' })
  t.is(status, 0, stdout + stderr)
})

test('a schema that cannot be is refused when it is made', (t) => {
  const field = { id: 1, type: 'u8' }
  const cases = [
    [() => attributes('set', { a: field, b: field }), TypeError, /set\.b\.id must be another one than that of 'a'/],
    [() => attributes('set', { a: { id: 16384, type: 'u8' } }), RangeError, /set\.a\.id/],
    [() => attributes('set', { a: { id: -1, type: 'u8' } }), RangeError, /set\.a\.id/],
    [() => attributes('set', { a: { type: 'u8' } }), TypeError, /set\.a\.id/],
    [() => attributes('set', { a: { id: 1, type: 'u128' } }), TypeError, /set\.a\.type/],
    [() => attributes('set', { a: { id: 1, type: 'array', of: { type: 'u128' } } }), TypeError, /set\.a\.of\.type/],
    [() => attributes('set', { a: { id: 1, type: 'typeValue', keys: [], of: Inner } }), TypeError, /set\.a\.keys/],
    [() => attributes('set', { 7: field }), TypeError, /set\.7/],
    [() => attributes('set', { ['__proto__']: field }), TypeError, /set\.__proto__/],
    [() => attributes('set', { '': field }), TypeError, /set\./],
    [() => struct('pair', { a: 'u128' }), TypeError, /a\.type/],
    [() => struct('pair', { a: { type: 'binary', length: -1 } }), RangeError, /a\.length/],
    [() => struct('pair', { a: { type: 'u8', optional: true }, b: 'u8' }), TypeError, /pair\.b must be optional/],
    [
      () => message('both', { header: struct('h', { name: 'u8' }), attributes: Inner }),
      TypeError,
      /both\.header must be without members named as attributes.*'name'/,
    ],
    [
      () => message('grown', { header: struct('h', { a: { type: 'u8', optional: true } }), attributes: Inner }),
      TypeError,
      /grown\.header must be without optional members/,
    ],
    [() => message('neither', {}), TypeError, /neither must be given/],
    [() => message('nothing'), TypeError, /nothing must be given/],
    [() => message('both', { header: {} }), TypeError, /both\.header must be what struct\(\) gave/],
    [() => message('both', { attributes: {} }), TypeError, /both\.attributes must be what attributes\(\) gave/],
    [() => attributes('set', null), TypeError, /set must be an object/],
    [() => attributes('set', { a: null }), TypeError, /set\.a must be an object/],
    [() => attributes('set', { a: { id: 1, type: 'nested' } }), TypeError, /set\.a\.of.*undefined/],
    [() => attributes('set', { a: { id: 1, type: 'nested', of: struct('s', {}) } }), TypeError, /set\.a\.of/],
    [() => attributes('set', { a: { id: 1, type: 'array' } }), TypeError, /set\.a\.of/],
    [() => attributes('set', { a: { id: 1, type: 'typeValue', of: Inner } }), TypeError, /set\.a\.keys must be an array/],
    [() => attributes('set', { a: { id: 1, type: 'subMessage', formats: {} } }), TypeError, /set\.a\.selector/],
    [() => attributes('set', { a: { id: 1, type: 'subMessage', selector: 'b' } }), TypeError, /set\.a\.formats/],
    [() => attributes('set', { a: { id: 1, type: 'binary', of: 'uint' } }), TypeError, /set\.a\.of.*'uint'/],
    [() => attributes('set', { a: { id: 1, type: 'binary', struct: {} } }), TypeError, /set\.a\.struct/],
    [() => attributes('set', { a: { ...field, enum: {} } }), TypeError, /set\.a\.enum.*enumeration\(\) or flags\(\)/],
    [() => attributes('set', { a: { id: 1, type: 'bitfield32', enum: enumeration('e', { x: 1 }) } }), TypeError, /set\.a\.enum.*flags\(\)/],
    [() => attributes('set', { a: { id: 1, type: 'u32', byteOrder: 'big' } }), TypeError, /set\.a\.byteOrder.*'big-endian'/],
    [() => attributes('set', { a: { id: 1, type: 'binary', of: 'u32', byteOrder: 'be' } }), TypeError, /set\.a\.byteOrder/],
    [() => enumeration('e', { x: '1' }), TypeError, /e\.x must be an integer/],
    [() => enumeration('e', { x: 1.5 }), RangeError, /e\.x must be an integer/],
    [() => flags('f', { x: undefined }), TypeError, /f\.x must be an integer/],
    [() => flags('f', null), TypeError, /f must be an object/],
    [() => enumeration(7, {}), TypeError, /name must be a string/],
    [() => struct('pair', null), TypeError, /pair must be an object/],
    [() => struct('pair', { a: null }), TypeError, /pair\.a must be/],
    [() => struct('pair', { a: { type: 'u32', byteOrder: 'BE' } }), TypeError, /pair\.a\.byteOrder/],
    [() => struct('pair', { a: { type: 'u32', enum: 5 } }), TypeError, /pair\.a\.enum/],
    [() => struct('pair', { a: { type: 'struct', of: Inner } }), TypeError, /pair\.a\.of/],
  ]
  for (const [make, instanceOf, text] of cases) {
    const { code } = t.throws(make, { instanceOf, message: text }, String(make))
    t.regex(code, /^ERR_/, String(make))
  }
})

test('only bytes are decoded', (t) => {
  for (const bytes of [null, undefined, 'abc', [1, 2], new ArrayBuffer(4)]) {
    for (const decode of [() => Inner.decode(bytes), () => Headed.decode(bytes), () => struct('one', { a: 'u8' }).decode(bytes), () => [...walkMessages(bytes)]]) {
      t.throws(decode, { instanceOf: TypeError, code: 'ERR_INVALID_ARG_TYPE', message: /bytes must be a Uint8Array/ })
    }
  }
})

test('numbers have names, in a set and behind a fixed header', (t) => {
  t.is(Echo.nameOf(11), 'text')
  t.is(Echo.nameOf(38), 'padding')
  t.is(Echo.nameOf(9999), undefined)
  t.is(Echo.definitionOf(11).type, 'string')
  t.is(Headed.nameOf(1), 'name')
  t.is(Headed.headerSize, 4)
  t.is(Echo.headerSize, 0)
})

test('the first name of a value is the one decoded, its aliases are still encoded', (t) => {
  const Set = attributes('set', { a: { id: 1, type: 'u64', enum: enumeration('e', { one: 1, uno: 1 }) } })
  t.deepEqual(Set.decode(Set.encode({ a: 'uno' })), { a: 'one' })
})

test('a schema does not change with the object it was made from', (t) => {
  const definitions = { a: { id: 1, type: 'u8' } }
  const values = { one: 1 }
  const Set = attributes('set', definitions)
  const names = enumeration('e', values)
  definitions.b = { id: 2, type: 'u8' }
  values.two = 2
  t.is(Set.nameOf(2), undefined)
  t.is(Set.definitionOf(2), undefined)
  t.deepEqual({ ...names.values }, { one: 1 })
})
