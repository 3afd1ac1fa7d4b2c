// What the compiler makes of schemas: netlink-schema.test.mjs compiles this file, and runs nothing of it.
import { expectTypeOf } from 'expect-type'
import {
  type Attributes,
  type AttributesInput,
  attributes,
  type AttributeSet,
  type Bitfield32,
  enumeration,
  flags,
  message,
  struct,
  type UnknownAttribute,
  unknownAttributes,
} from 'nearwire/netlink'

const Color = enumeration('color', { red: 0, green: 1 })
const Modes = flags('modes', { up: 1, loud: 2 })
const Pair = struct('pair', {
  left: 'u16',
  right: { type: 'u64', byteOrder: 'big-endian' },
  gap: { type: 'pad', length: 2 },
  later: { type: 'u8', optional: true },
})
const Item = attributes('item', { name: { id: 1, type: 'string' } })
const Headed = message('headed', { header: Pair, attributes: Item })

const Reply = attributes('echo', {
  text: { id: 1, type: 'string' },
  count: { id: 2, type: 'u32' },
  wide: { id: 3, type: 's64' },
  any: { id: 4, type: 'uint' },
  bytes: { id: 5, type: 'binary' },
  item: { id: 6, type: 'nested', of: Item },
  items: { id: 7, type: 'nested', of: () => Item, multi: true },
  array: { id: 8, type: 'array', of: Item },
  words: { id: 9, type: 'array', of: { type: 'u16' } },
  flag: { id: 10, type: 'flag' },
  bits: { id: 11, type: 'bitfield32' },
  namedBits: { id: 12, type: 'bitfield32', enum: Modes },
  color: { id: 13, type: 'u8', enum: Color },
  modes: { id: 14, type: 'u32', enum: Modes },
  pair: { id: 15, type: 'binary', struct: Pair },
  numbers: { id: 16, type: 'binary', of: 'u64' },
  policy: { id: 17, type: 'typeValue', keys: ['policyId', 'attributeId'], of: Item },
  stats: { id: 18, type: 'typeValue', keys: ['id'], of: { type: 'u64' } },
  data: { id: 19, type: 'subMessage', selector: 'text', formats: { item: Item, headed: Headed } },
  pad: { id: 20, type: 'pad' },
  old: { id: 21, type: 'unused' },
})
type Reply = Attributes<typeof Reply>
type ReplyInput = AttributesInput<typeof Reply>

type ItemValue = { name?: string; [unknownAttributes]?: UnknownAttribute[] }

expectTypeOf<Reply['text']>().toEqualTypeOf<string | undefined>()
expectTypeOf<Reply['count']>().toEqualTypeOf<number | undefined>()
expectTypeOf<Reply['wide']>().toEqualTypeOf<bigint | undefined>()
expectTypeOf<Reply['any']>().toEqualTypeOf<number | bigint | undefined>()
expectTypeOf<Reply['bytes']>().toEqualTypeOf<Buffer | undefined>()
expectTypeOf<NonNullable<Reply['item']>>().branded.toEqualTypeOf<ItemValue>()
expectTypeOf<NonNullable<Reply['items']>[number]['name']>().toEqualTypeOf<string | undefined>()
expectTypeOf<NonNullable<Reply['array']>[number]['name']>().toEqualTypeOf<string | undefined>()
expectTypeOf<Reply['words']>().toEqualTypeOf<number[] | undefined>()
expectTypeOf<Reply['flag']>().toEqualTypeOf<true | undefined>()
expectTypeOf<Reply['bits']>().toEqualTypeOf<Bitfield32<number> | undefined>()
expectTypeOf<Reply['namedBits']>().toEqualTypeOf<Bitfield32<('up' | 'loud' | number)[]> | undefined>()
expectTypeOf<Reply['color']>().toEqualTypeOf<'red' | 'green' | number | undefined>()
expectTypeOf<Reply['modes']>().toEqualTypeOf<('up' | 'loud' | number)[] | undefined>()
expectTypeOf<NonNullable<Reply['pair']>['left']>().toEqualTypeOf<number>()
expectTypeOf<NonNullable<Reply['pair']>['right']>().toEqualTypeOf<bigint>()
expectTypeOf<NonNullable<Reply['pair']>['later']>().toEqualTypeOf<number | undefined>()
expectTypeOf<NonNullable<Reply['pair']>>().not.toHaveProperty('gap')
expectTypeOf<Reply['numbers']>().toEqualTypeOf<bigint[] | undefined>()
expectTypeOf<NonNullable<Reply['policy']>[number]['attributeId']>().toEqualTypeOf<number>()
expectTypeOf<NonNullable<Reply['policy']>[number]['name']>().toEqualTypeOf<string | undefined>()
expectTypeOf<NonNullable<Reply['stats']>[number]['value']>().toEqualTypeOf<bigint>()
expectTypeOf<NonNullable<Reply['stats']>[number]['id']>().toEqualTypeOf<number>()
expectTypeOf<NonNullable<Reply['data']>>().extract<Buffer>().toEqualTypeOf<Buffer>()
expectTypeOf<NonNullable<Reply['data']>>().extract<{ left: number }>().not.toBeNever()
expectTypeOf<Reply>().not.toHaveProperty('pad')
expectTypeOf<Reply>().not.toHaveProperty('old')
expectTypeOf<Reply[typeof unknownAttributes]>().toEqualTypeOf<UnknownAttribute[] | undefined>()

// What was decoded can be encoded.
expectTypeOf<Reply>().toExtend<ReplyInput>()
expectTypeOf<Attributes<typeof Headed>>().toExtend<AttributesInput<typeof Headed>>()

const accepted: ReplyInput = {
  text: undefined,
  wide: 5,
  any: 5n,
  bytes: new Uint8Array(1),
  flag: false,
  color: 7,
  modes: 3,
  namedBits: { value: 1, selector: ['up', 4] },
  pair: { left: 1 },
  numbers: [1, 2n],
  items: [{ name: 'x' }],
}
Reply.encode(accepted)
Headed.encode({ left: 1, name: 'x' })

// @ts-expect-error -- no such attribute
Reply.encode({ txet: 'x' })
// @ts-expect-error -- a 32-bit integer is a number
Reply.encode({ count: 1n })
// @ts-expect-error -- no such color
Reply.encode({ color: 'blue' })
// @ts-expect-error -- padding is not the user's
Reply.encode({ pad: 1 })
// @ts-expect-error -- a multi attribute is an array
Reply.encode({ items: { name: 'x' } })
// @ts-expect-error -- a number is missing
attributes('bad', { text: { type: 'string' } })
// @ts-expect-error -- no such type
attributes('bad', { text: { id: 1, type: 'text' } })
// @ts-expect-error -- a nest of nothing
attributes('bad', { nest: { id: 1, type: 'nested' } })

interface Tree {
  name?: string
  children?: Tree[]
}
const Tree: AttributeSet<Tree> = attributes('tree', {
  name: { id: 1, type: 'string' },
  children: { id: 2, type: 'nested', of: () => Tree, multi: true },
})
expectTypeOf(Tree.decode(Tree.encode({ children: [{ name: 'leaf' }] }))).toEqualTypeOf<Tree>()
