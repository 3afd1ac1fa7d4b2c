// What the kernel says beside an errno: from bytes written by hand, and from the machine's own kernel.
import test from 'ava'
import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import {
  attributes,
  decodeDone,
  decodeError,
  encodeMessage,
  enumeration,
  message,
  nameExtack,
  NetlinkError,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_DONE,
  NLMSG_ERROR,
  struct,
  walkMessages,
} from 'nearwire/netlink'
import { Echo } from './helpers/netlink-echo.mjs'
import { hasPython } from './helpers/peers.mjs'

const int = (value) => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}
const Raw = attributes('raw', {
  message: { id: 1, type: 'string' },
  offset: { id: 2, type: 'u32' },
  cookie: { id: 3, type: 'binary' },
  policy: {
    id: 4,
    type: 'nested',
    of: attributes('policy', { type: { id: 1, type: 'u32' }, max: { id: 5, type: 'u64' } }),
  },
  missingType: { id: 5, type: 'u32' },
  missingNest: { id: 6, type: 'u32' },
  later: { id: 7, type: 'u8' },
})
const request = encodeMessage({ type: 20, flags: 5, sequence: 77, portId: 3, payload: Buffer.from('abcdefg') })
const echo = { length: 23, type: 20, flags: 5, sequence: 77, portId: 3 }
const tlvs = Raw.encode({
  message: 'no',
  offset: 20,
  cookie: Buffer.from([1]),
  policy: { type: 4, max: 9n },
  missingType: 2,
  missingNest: 24,
})
const decodedTlvs = {
  message: 'no',
  offset: 20,
  cookie: Buffer.from([1]),
  policy: { type: 'u32', maxValueUnsigned: 9n },
  missingType: 2,
  missingNest: 24,
}

test('an error with the whole request and everything said beside it', (t) => {
  const payload = Buffer.concat([int(-22), request, Buffer.alloc(1), tlvs])
  t.deepEqual(decodeError(payload, NLM_F_ACK_TLVS), {
    errno: 22,
    request: echo,
    echoed: Buffer.from('abcdefg'),
    extack: decodedTlvs,
  })
})

test('a capped error has its TLVs right after the header of the request', (t) => {
  const payload = Buffer.concat([int(-22), request.subarray(0, 16), tlvs])
  t.deepEqual(decodeError(payload, NLM_F_ACK_TLVS | NLM_F_CAPPED), {
    errno: 22,
    request: echo,
    echoed: null,
    extack: decodedTlvs,
  })
})

test('a success can carry a message too', (t) => {
  const payload = Buffer.concat([int(0), request.subarray(0, 16), Raw.encode({ message: 'careful' })])
  t.deepEqual(decodeError(payload, NLM_F_ACK_TLVS | NLM_F_CAPPED), {
    errno: 0,
    request: echo,
    echoed: null,
    extack: { message: 'careful' },
  })
})

test('without the flag there are no TLVs, whatever follows', (t) => {
  t.is(decodeError(Buffer.concat([int(-22), request, Buffer.alloc(1), tlvs]), 0).extack, null)
  t.is(decodeDone(Buffer.concat([int(-22), tlvs]), 0).extack, null)
})

test('a DONE has its TLVs right after its errno', (t) => {
  const payload = Buffer.concat([int(-4), tlvs])
  t.deepEqual(decodeDone(payload, NLM_F_ACK_TLVS), { errno: 4, request: null, echoed: null, extack: decodedTlvs })
})

test('a DONE that is a header and nothing else is a success, as team sends it', (t) => {
  const success = { errno: 0, request: null, echoed: null, extack: null }
  t.deepEqual(decodeDone(Buffer.alloc(0), 2), success)
  t.deepEqual(decodeDone(int(0), 2), success)
  t.deepEqual(decodeDone(int(5), 2), success)
})

test('an error too short for anything but its errno still has it, a shorter one is malformed', (t) => {
  t.deepEqual(decodeError(int(-1), NLM_F_ACK_TLVS), { errno: 1, request: null, echoed: null, extack: null })
  t.throws(() => decodeError(Buffer.alloc(3), 0), { code: 'ERR_NETLINK_MALFORMED' })
})

test('malformed TLVs cost neither the errno nor what came before them', (t) => {
  const bad = Buffer.from([9, 0, 1, 0, 1])
  const { errno, extack } = decodeDone(Buffer.concat([int(-4), Raw.encode({ message: 'first' }), bad]), NLM_F_ACK_TLVS)
  t.is(errno, 4)
  t.deepEqual(extack, { message: 'first', unparsed: bad })
})

test('the attribute at any offset has a name, however deep it lies', (t) => {
  const value = {
    u8: 1,
    inner: { name: 'x', more: { value: 2 } },
    inners: [{}, { value: 3 }],
    array: [{ value: 4 }, { name: 'y', value: 5 }],
    words: [6, 7],
    policy: [{ policyId: 9, attributeId: 8, value: 10 }],
    kind: 'headed',
    data: { first: 1, second: 2, value: 11 },
    deep: { data: Buffer.alloc(0) },
  }
  const bytes = encodeMessage({ type: 16, payload: Echo.encode(value) })
  const at = (offset) => nameExtack({ offset }, bytes, Echo).attribute
  // Every 4 bytes of the message, by what starts there.
  const names = []
  for (let offset = 16; offset < bytes.length; offset += 4) if (names.at(-1) !== at(offset)) names.push(at(offset))
  t.deepEqual(names, [
    'u8',
    'inner',
    'inner.name',
    'inner.more',
    'inner.more.value',
    'inners[0]',
    'inners[1]',
    'inners[1].value',
    'array',
    'array[0]',
    'array[0].value',
    'array[1]',
    'array[1].name',
    'array[1].value',
    'words',
    'words[0]',
    'words[1]',
    'policy',
    'policy.9',
    'policy.9.8',
    'policy.9.8.value',
    'kind',
    'data',
    'data.value',
    'deep',
    'deep.data',
  ])
  t.is(at(0), undefined)
  t.is(at(15), undefined)
  t.is(at(bytes.length), undefined)
})

test('a missing attribute is named in the nest it is missing from', (t) => {
  const bytes = encodeMessage({ type: 16, payload: Echo.encode({ inner: { more: {} }, array: [{}, {}] }) })
  const missing = (extack) => nameExtack(extack, bytes, Echo).missingName
  t.is(missing({ missingType: 11 }), 'text')
  t.is(missing({ missingType: 1, missingNest: 16 }), 'inner.name')
  t.is(missing({ missingType: 3, missingNest: 20 }), 'inner.more.value')
  t.is(missing({ missingType: 1, missingNest: 32 }), 'array[1].name')
  t.is(missing({ missingType: 1, missingNest: 4000 }), undefined)
  t.is(missing({ missingType: 999 }), undefined)
})

test('a NetlinkError says what the kernel said', (t) => {
  const message = { type: 16, payload: Buffer.alloc(0) }
  const error = new NetlinkError({
    errno: 22,
    request: message,
    index: 3,
    extack: { message: 'bad speed', offset: 20, attribute: 'link.speed' },
  })
  t.true(error instanceof Error)
  t.is(error.name, 'NetlinkError')
  t.is(error.code, 'EINVAL')
  t.is(error.errno, 22)
  t.is(error.syscall, 'sendmsg')
  t.is(error.request, message)
  t.is(error.index, 3)
  t.is(error.extack.message, 'bad speed')
  t.is(error.message, 'sendmsg EINVAL: bad speed; attribute link.speed; request 3 of the batch')

  t.is(new NetlinkError({ errno: 1 }).message, 'sendmsg EPERM: operation not permitted')
  t.is(new NetlinkError({ errno: 1 }).extack, null)
  t.is(new NetlinkError({ errno: 95 }).code, 'EOPNOTSUPP')
  t.is(new NetlinkError({ errno: 524 }).code, 'ENOTSUPP')
  t.is(
    new NetlinkError({ errno: 22, extack: { missingType: 4, missingName: 'inner.name' } }).message,
    'sendmsg EINVAL: invalid argument; missing attribute inner.name',
  )
  t.regex(
    new NetlinkError({ errno: 110, syscall: 'recvmsg', explanation: 'no answer within 5000 ms' }).message,
    /recvmsg ETIMEDOUT: no answer within 5000 ms/,
  )
})

// From here on the answers are the kernel's own, in a network namespace that ends with the program that asks.
const namespace = spawnSync('unshare', ['--user', '--map-root-user', '--net', 'true']).status === 0
const real = hasPython && namespace
const kernelTest = (title, run) =>
  test(title, (t) => {
    if (real) return run(t)
    t.log(hasPython ? 'skipped: no user namespaces here (unshare --user --net fails)' : 'skipped: there is no python3')
    return t.pass()
  })

function exchange(protocol, mode, requests) {
  const peer = fileURLToPath(new URL('peers/netlink-exchange.py', import.meta.url))
  const input = requests.map((bytes) => `${bytes.toString('hex')}\n`).join('')
  const output = execFileSync(
    'unshare',
    ['--user', '--map-root-user', '--net', 'python3', peer, String(protocol), mode],
    { input, encoding: 'utf8' },
  )
  return output
    .trim()
    .split('\n')
    .map((line) => line.split(' ').flatMap((datagram) => [...walkMessages(Buffer.from(datagram, 'hex'))]))
}

const Ifinfo = struct('ifinfomsg', {
  family: 'u8',
  pad: { type: 'pad', length: 1 },
  hardware: 'u16',
  index: 's32',
  ifFlags: 'u32',
  change: 'u32',
})
const Link = message('link', {
  header: Ifinfo,
  attributes: attributes('link', {
    address: { id: 1, type: 'binary' },
    name: { id: 3, type: 'string' },
    mtu: { id: 4, type: 'u32' },
    operState: { id: 16, type: 'u8', enum: enumeration('operstate', { unknown: 0, down: 2, up: 6 }) },
    info: { id: 18, type: 'nested', of: attributes('info', { kind: { id: 1, type: 'string' } }) },
  }),
})

kernelTest('links of a new namespace, as the kernel dumps them', (t) => {
  const dump = encodeMessage({ type: 18, flags: NLM_F_REQUEST | NLM_F_DUMP, sequence: 1, payload: Link.encode({}) })
  const [answers] = exchange(0, 'cap', [dump])
  const done = answers.pop()
  t.is(done.type, NLMSG_DONE)
  t.is(decodeDone(done.payload, done.flags).errno, 0)
  const links = answers.map(({ payload }) => Link.decode(payload))
  const { name, index, mtu, operState, address, hardware } = links.find((link) => link.name === 'lo')
  t.deepEqual(
    { name, index, mtu, operState, address, hardware },
    { name: 'lo', index: 1, mtu: 65536, operState: 'down', address: Buffer.alloc(6), hardware: 772 },
  )
  // Nothing was lost: unknown attributes are written back after the known ones, and all of them are as long as they were.
  for (const { payload } of answers) t.is(Link.encode(Link.decode(payload)).length, payload.length)
})

kernelTest("the kernel's own complaint about an attribute is decoded and the attribute named, capped or not", (t) => {
  const Bad = message('link', {
    header: Ifinfo,
    attributes: attributes('link', {
      mtu: { id: 4, type: 'u32' },
      operState: { id: 16, type: 'u16' },
      name: { id: 3, type: 'string' },
    }),
  })
  const bytes = encodeMessage({
    type: 16,
    flags: NLM_F_REQUEST | NLM_F_ACK,
    sequence: 9,
    payload: Bad.encode({ index: 1, name: 'a-name-that-is-too-long-for-a-link' }),
  })
  for (const mode of ['cap', 'echo']) {
    const [[answer]] = exchange(0, mode, [bytes])
    t.is(answer.type, NLMSG_ERROR)
    const ack = decodeError(answer.payload, answer.flags)
    t.is(ack.errno, 34)
    t.is(ack.request.sequence, 9)
    t.deepEqual(ack.echoed, mode === 'cap' ? null : bytes.subarray(16))
    t.is(ack.extack.offset, 32)
    t.regex(ack.extack.message, /policy/)
    t.is(nameExtack(ack.extack, bytes, Bad).attribute, 'name')
  }
})

const Control = message('ctrl', {
  header: struct('genlmsghdr', { command: 'u8', version: 'u8', pad: { type: 'pad', length: 2 } }),
  attributes: attributes('ctrl', { id: { id: 1, type: 'u16' }, name: { id: 2, type: 'string' } }),
})

kernelTest("a missing attribute, and one out of its policy's range, are named", (t) => {
  const Queue = message('netdev', {
    header: Control.header,
    attributes: attributes('queue', {
      id: { id: 1, type: 'u32' },
      ifindex: { id: 2, type: 'u32' },
      kind: { id: 3, type: 'u32' },
    }),
  })
  const flags = NLM_F_REQUEST | NLM_F_ACK
  const [[family]] = exchange(16, 'cap', [
    encodeMessage({
      type: 16,
      flags,
      sequence: 1,
      payload: Control.encode({ command: 3, version: 1, name: 'netdev' }),
    }),
  ])
  if (family.type === NLMSG_ERROR) {
    t.log('skipped: this kernel has no netdev family')
    return t.pass()
  }
  const { id } = Control.decode(family.payload)
  const missing = encodeMessage({
    type: id,
    flags,
    sequence: 2,
    payload: Queue.encode({ command: 10, version: 1, id: 0, ifindex: 1 }),
  })
  const zero = encodeMessage({
    type: id,
    flags,
    sequence: 3,
    payload: Queue.encode({ command: 10, version: 1, ifindex: 0 }),
  })
  const [[first], [second]] = exchange(16, 'cap', [missing, zero])
  const one = decodeError(first.payload, first.flags)
  t.is(one.errno, 22)
  t.is(nameExtack(one.extack, missing, Queue).missingName, 'kind')
  const two = decodeError(second.payload, second.flags)
  t.is(two.errno, 34)
  t.is(nameExtack(two.extack, zero, Queue).attribute, 'ifindex')
  t.like(two.extack.policy, { type: 'u32', minValueUnsigned: 1n })
})
