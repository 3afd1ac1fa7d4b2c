// Schemas themselves: the types that follow from them, and those that cannot be.
import test from 'ava'
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { attributes, enumeration, message, struct } from 'nearwire/netlink'
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
  ]
  for (const [make, instanceOf, text] of cases) t.throws(make, { instanceOf, message: text }, String(make))
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
