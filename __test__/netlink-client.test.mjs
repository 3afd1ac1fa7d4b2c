// Requests: matched with their answers, bounded, timed, refused with reasons, and settled whatever happens.
import assert from 'node:assert/strict'
import * as fc from 'fast-check'
import {
  NetlinkClient, NetlinkError, NetlinkFormatError, NetlinkSocket, NLM_F_ACK, NLM_F_ACK_TLVS, NLM_F_DUMP_INTR, NLM_F_MULTI,
  NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR, NLMSG_NOOP,
} from 'nearwire/netlink'
import { Sequences } from '../dist/netlink/sequences.js'
import { inNamespace, otherNamespace } from './helpers/namespace.mjs'
import { addRoute, deleteRoute, everyRoute, Link, numbers, Route, RTM_GETLINK, RTM_NEWROUTE } from './helpers/rtnetlink.mjs'

const test = await inNamespace(import.meta.url)

const openWith = (Kind) => async (t, options = {}) => {
  const opened = await Kind.open({ protocol: 'route', ...options })
  t.after(() => opened.close())
  return opened
}
const open = openWith(NetlinkClient)
const failure = (promise) => promise.then(() => assert.fail('nothing failed'), (error) => error)
const getLink = (index) => ({ type: RTM_GETLINK, payload: Link.encode({ index }) })
const routes = (client) => client.dump(everyRoute).toArray().then((all) => all.filter(({ payload }) => Route.decode(payload).table === 254))

/** A peer that answers each request with what `answer` gives: messages, whose sequence number is filled in, or bytes. */
async function peer(t, answer) {
  const socket = await NetlinkSocket.open({ protocol: 'usersock' })
  t.after(() => socket.close())
  const seen = []
  ;(async () => {
    for await (const datagram of socket) {
      for (const request of datagram.messages()) {
        seen.push(request)
        for (const reply of await answer(request, datagram.from, socket)) {
          await socket.send(reply instanceof Uint8Array ? reply : { sequence: request.sequence, ...reply }, { to: datagram.from })
        }
      }
    }
  })()
  const client = await open(t, { protocol: 'usersock', peer: socket.portId })
  return { client, socket, seen }
}
const reply = (payload, more = {}) => ({ type: 20, payload: Buffer.from(payload), ...more })
const status = (errno, tlvs = Buffer.alloc(0), more = {}) => {
  const head = Buffer.alloc(20)
  head.writeInt32LE(-errno)
  head.writeUInt32LE(16, 4)
  return { type: NLMSG_ERROR, flags: tlvs.length > 0 ? NLM_F_ACK_TLVS : 0, payload: Buffer.concat([head, tlvs]), ...more }
}
const done = (errno = 0) => {
  const payload = Buffer.alloc(4)
  payload.writeInt32LE(-errno)
  return { type: NLMSG_DONE, flags: NLM_F_MULTI, payload }
}
const tlv = (type, bytes) => {
  const attribute = Buffer.alloc((4 + bytes.length + 3) & ~3)
  attribute.writeUInt16LE(4 + bytes.length)
  attribute.writeUInt16LE(type, 2)
  Buffer.from(bytes).copy(attribute, 4)
  return attribute
}

test('a request is answered, and what has no answer is acknowledged', async (t) => {
  const client = await open(t)
  const [link, ...more] = await client.request(getLink(1))
  assert.equal(Link.decode(link.payload).name, 'lo')
  assert.deepEqual([more, link.portId], [[], client.portId])
  assert.deepEqual(await client.request(addRoute(1)), [])
  assert.deepEqual(await client.request(deleteRoute(1)), [])
})

test('a request to rtnetlink settles without a turn of the loop', async (t) => {
  const client = await open(t)
  let turned = false
  setImmediate(() => { turned = true })
  for (let i = 0; i < 3; i++) await client.request(getLink(1))
  assert.equal(turned, false)
})

test('but asking without end lets others have the loop', async (t) => {
  const client = await open(t)
  const controller = new AbortController()
  setTimeout(() => controller.abort(), 1)
  let asked = 0
  while (!controller.signal.aborted && asked++ < 1e6) await client.request(getLink(1))
  assert.ok(controller.signal.aborted, `${asked} requests`)
})

test('a refusal is a NetlinkError with all that is known', async (t) => {
  const client = await open(t)
  const error = await failure(client.request(getLink(4000)))
  assert.ok(error instanceof NetlinkError)
  assert.deepEqual([error.code, error.errno, error.syscall, error.name], ['ENODEV', 19, 'sendmsg', 'NetlinkError'])
  const { type, flags, sequence, portId, payload } = error.request
  assert.deepEqual([type, flags, portId, Link.decode(payload).index], [RTM_GETLINK, NLM_F_REQUEST | NLM_F_ACK, client.portId, 4000])
  assert.ok(sequence > 0)
  assert.ok(!('index' in error) && !('address' in error))
})

test('the extended acknowledgement: text, offset, and the attribute\'s name where types are known', async (t) => {
  const client = await open(t)
  const request = {
    type: RTM_NEWROUTE,
    payload: Buffer.concat([Route.encode({ family: 2, prefix: 32, table: 254, type: 1 }), tlv(1, Buffer.from([10, 0]))]),
  }
  const bare = await failure(client.request(request))
  assert.deepEqual([bare.code, bare.extack.offset, bare.extack.attribute], ['ERANGE', 28, undefined])
  assert.ok(bare.extack.message.length > 0 && bare.message.includes(bare.extack.message))
  const named = await failure(client.request(request, { layout: Route }))
  assert.equal(named.extack.attribute, 'destination')
  assert.match(named.message, /attribute destination/)
})

test('a missing attribute, by number and by name', async (t) => {
  const tlvs = Buffer.concat([tlv(1, Buffer.from('it is not there\0')), tlv(5, Buffer.from([3, 0, 0, 0]))])
  const { client } = await peer(t, () => [status(22, tlvs)])
  const error = await failure(client.request({ type: 20, payload: Buffer.alloc(16) }, { layout: Link }))
  assert.deepEqual(
    [error.code, error.extack.message, error.extack.missingType, error.extack.missingName],
    ['EINVAL', 'it is not there', 3, 'name'],
  )
  assert.match(error.message, /it is not there; missing attribute name/)
})

test('what is said beside a success is not lost', async (t) => {
  const { client } = await peer(t, () => [status(0, tlv(1, Buffer.from('deprecated\0')))])
  const warned = new Promise((resolve) => { void client.request(reply('x'), { onWarning: resolve }) })
  assert.equal((await warned).message, 'deprecated')
})

test('many requests in flight, each with its own answer, in whatever order they come', async (t) => {
  const held = []
  const { client, seen } = await peer(t, async (request, from, socket) => {
    held.push({ request, from })
    if (held.length < 50) return []
    for (const one of held.splice(0).toReversed()) {
      await socket.send([{ ...one.request, type: 21 }, status(0, undefined, { sequence: one.request.sequence })], { to: one.from })
    }
    return []
  })
  const answers = await Promise.all(numbers(200).map((number) => client.request(reply(`${number}`))))
  assert.deepEqual(answers.map(([answer]) => answer.payload.toString()), numbers(200, String))
  assert.equal(new Set(seen.map(({ sequence }) => sequence)).size, 200)
})

test('no more are in flight than the receive buffer holds acknowledgements', async (t) => {
  const release = []
  const { client, seen } = await peer(t, (request) => new Promise((resolve) => {
    release.push(() => resolve([status(0)]))
    void request
  }))
  const small = await open(t, { protocol: 'usersock', peer: client.peer, receiveBuffer: 0 })
  const asked = numbers(40).map((number) => small.request(reply(`${number}`)))
  // Whoever comes after them all has been asked after all that were in flight.
  const after = client.request(reply('after'))
  while (!seen.some(({ payload }) => payload.toString() === 'after')) {
    release.splice(0).forEach((go) => go())
    await new Promise(setImmediate)
  }
  const before = seen.findIndex(({ payload }) => payload.toString() === 'after')
  assert.ok(before <= 4, `${before} were in flight`)
  const pump = setInterval(() => release.splice(0).forEach((go) => go()), 1)
  await Promise.all([...asked, after])
  clearInterval(pump)
})

test('an answer in many parts, up to DONE; NOOP is none', async (t) => {
  const part = (text) => reply(text, { flags: NLM_F_MULTI })
  const { client } = await peer(t, () => [part('a'), { type: NLMSG_NOOP, payload: Buffer.alloc(0) }, part('b'), done()])
  const parts = await client.request(reply('x'))
  assert.deepEqual(parts.map(({ payload }) => payload.toString()), ['a', 'b'])
})

test('DONE\'s errno, and an interrupted answer, are failures', async (t) => {
  const { client } = await peer(t, ({ payload }) => payload.toString() === 'errno'
    ? [reply('a', { flags: NLM_F_MULTI }), done(5)]
    : [reply('a', { flags: NLM_F_MULTI | NLM_F_DUMP_INTR }), done()])
  assert.equal((await failure(client.request(reply('errno')))).code, 'EIO')
  assert.equal((await failure(client.request(reply('interrupted')))).code, 'EINTR')
})

test('an end of the peer\'s own', async (t) => {
  const { client } = await peer(t, () => ['a', 'b', 'end', 'more'].map((text) => reply(text, { flags: NLM_F_MULTI })))
  const until = ({ payload }) => payload.toString() === 'end'
  for (let i = 0; i < 3; i++) {
    const parts = await client.request(reply('x'), { until, acknowledge: false })
    assert.deepEqual(parts.map(({ payload }) => payload.toString()), ['a', 'b', 'end'])
  }
  const broken = new Error('broken')
  assert.equal(await failure(client.request(reply('x'), { until: () => { throw broken } })), broken)
  const late = await failure(client.request(reply('x'), { until: async () => true }))
  assert.equal(late.code, 'ERR_INVALID_ARG_TYPE')
  assert.match(late.message, /what options\.until returns must be true or false, not Promise/)
})

test('an end of one\'s own may ask for more meanwhile', async (t) => {
  const { client } = await peer(t, () => [reply('a', { flags: NLM_F_MULTI }), reply('b', { flags: NLM_F_MULTI })])
  const kernel = await open(t)
  const inner = []
  const parts = await client.request(reply('x'), {
    until: ({ payload }) => {
      inner.push(kernel.request(getLink(1)))
      return payload.toString() === 'b'
    },
  })
  assert.deepEqual(parts.map(({ payload }) => payload.toString()), ['a', 'b'])
  for (const [link] of await Promise.all(inner)) assert.equal(Link.decode(link.payload).name, 'lo')
})

test('a process may acknowledge, or answer and leave it at that', async (t) => {
  const { client, seen } = await peer(t, ({ payload }) => payload.toString() === 'ack' ? [status(0)] : [reply('answer')])
  assert.deepEqual(await client.request(reply('ack')), [])
  assert.equal((await client.request(reply('x')))[0].payload.toString(), 'answer')
  await client.request(reply('x'), { acknowledge: false })
  assert.deepEqual(seen.map(({ flags }) => flags), [5, 5, 1])
})

test('a request that nobody answers times out, and says what may be the reason', async (t) => {
  const { client } = await peer(t, () => [])
  const error = await failure(client.request(reply('x'), { timeout: 20 }))
  assert.deepEqual([error.code, error.errno, error.request.payload.toString()], ['ETIMEDOUT', 110, 'x'])
  assert.match(error.message, /within 20 ms.*drops a message whose lengths are wrong/)
})

test('what comes too late is nobody\'s answer', async (t) => {
  let late
  const { client } = await peer(t, (request, from, socket) => {
    if (late !== undefined) return [reply('second')]
    late = () => socket.send([reply('first', { sequence: request.sequence })], { to: from })
    return []
  })
  await assert.rejects(client.request(reply('x'), { timeout: 10 }), { code: 'ETIMEDOUT' })
  await late()
  assert.equal((await client.request(reply('y')))[0].payload.toString(), 'second')
})

test('aborting gives up waiting, and one that still waits its turn is never sent', async (t) => {
  const { client, seen } = await peer(t, ({ payload }) => payload.toString() === 'last' ? [reply('answer')] : [])
  const controller = new AbortController()
  const reason = new Error('enough')
  const small = await open(t, { protocol: 'usersock', peer: client.peer, receiveBuffer: 0 })
  const asked = numbers(100).map(() => failure(small.request(reply('x'), { signal: controller.signal })))
  controller.abort(reason)
  for (const error of await Promise.all(asked)) assert.equal(error, reason)
  assert.equal((await small.request(reply('last')))[0].payload.toString(), 'answer')
  assert.ok(seen.length < 10, `${seen.length} were sent`)
  assert.equal(await failure(client.request(reply('x'), { signal: AbortSignal.abort(reason) })), reason)
})

test('closing settles what is in flight and what waits', async (t) => {
  const { client } = await peer(t, () => [])
  const small = await open(t, { protocol: 'usersock', peer: client.peer, receiveBuffer: 0 })
  const asked = numbers(20).map(() => failure(small.request(reply('x'))))
  const batch = failure(small.batch(numbers(20, () => reply('x'))))
  assert.equal((() => { try { return small.detach() } catch (error) { return error.code } })(), 'ERR_UNSENT')
  await small.close()
  for (const error of await Promise.all([...asked, batch])) assert.equal(error.code, 'ERR_SOCKET_CLOSED')
  assert.equal((await failure(small.request(reply('x')))).code, 'ERR_SOCKET_CLOSED')
  assert.equal((await failure(small.batch([reply('x')]))).code, 'ERR_SOCKET_CLOSED')
  assert.equal((await failure(small.batch([]))).code, 'ERR_SOCKET_CLOSED')
  assert.throws(() => small.dump(reply('x')), { code: 'ERR_SOCKET_CLOSED' })
})

test('an absent peer is ECONNREFUSED, of requests, batches and dumps', async (t) => {
  const client = await open(t, { protocol: 'usersock', peer: 98_765 })
  for (const attempt of [client.request(reply('x')), client.batch([reply('x')]), client.dump(reply('x')).toArray()]) {
    const error = await failure(attempt)
    assert.deepEqual([error.code, error.syscall, error.request.payload.toString()], ['ECONNREFUSED', 'sendto', 'x'])
    assert.match(error.message, /98765/)
  }
})

test('a client never is its own peer: what it asks must not come back as the answer', async (t) => {
  const peer = process.pid
  // The kernel gives the first socket of a process its process id: here nobody else has it.
  const client = await open(t, { protocol: 'usersock', peer })
  assert.notEqual(client.portId, peer)
  const attempts = [() => client.request(reply('x')), () => client.batch([reply('x')]), () => client.dump(reply('x')).toArray()]
  for (const attempt of attempts) assert.equal((await failure(attempt())).code, 'ECONNREFUSED')
  // Nor is the id taken from a peer that comes later.
  const late = await NetlinkSocket.open({ protocol: 'usersock', portId: peer })
  t.after(() => late.close())
  const asked = client.request(reply('x'))
  const datagram = await late.receive()
  late.send(reply('there', { sequence: [...datagram.messages()][0].sequence }), { to: datagram.from })
  assert.equal((await asked)[0].payload.toString(), 'there')
})

test('a peer without room is waited for', async (t) => {
  const deaf = await NetlinkSocket.open({ protocol: 'usersock', receiveBuffer: 0 })
  t.after(() => deaf.close())
  const client = await open(t, { protocol: 'usersock', peer: deaf.portId })
  const asked = numbers(20).map((number) => client.request(reply(`${number}`)))
  for (let i = 0; i < 20; i++) {
    const datagram = await deaf.receive()
    const [request] = datagram.messages()
    deaf.send({ ...request }, { to: datagram.from })
  }
  assert.deepEqual((await Promise.all(asked)).map(([answer]) => answer.payload.toString()), numbers(20, String))
})

test('only the peer is believed: what others send is thrown away, and counted', async (t) => {
  const { client } = await peer(t, async (request, from) => {
    const impostor = await NetlinkSocket.open({ protocol: 'usersock' })
    impostor.send(reply('forged', { sequence: request.sequence }), { to: from })
    await impostor.close()
    return [reply('true')]
  })
  assert.equal((await client.request(reply('x')))[0].payload.toString(), 'true')
  assert.equal(client.discarded, 1)
})

test('an answer that is longer than it may be is an error, not memory', async (t) => {
  const { client } = await peer(t, () => numbers(50, () => reply('x'.repeat(100), { flags: NLM_F_MULTI })))
  const error = await failure(client.request(reply('x'), { maxLength: 1000 }))
  assert.equal(error.code, 'EMSGSIZE')
  assert.match(error.message, /1000 bytes of options\.maxLength/)
})

test('an answer that cannot be read: the error says so where it is known whose it is, else it is why none came', async (t) => {
  const { client } = await peer(t, ({ payload, sequence }) => payload.toString() === 'short'
    ? [{ type: NLMSG_ERROR, payload: Buffer.alloc(2), sequence }]
    : [Buffer.from('ff00000010000000', 'hex')])
  assert.ok(await failure(client.request(reply('short'))) instanceof NetlinkFormatError)
  const error = await failure(client.request(reply('x'), { timeout: 20 }))
  assert.equal(error.code, 'ETIMEDOUT')
  assert.ok(error.cause instanceof NetlinkFormatError)
})

test('whatever a peer sends, requests settle and the client goes on', async (t) => {
  let bytes
  const { client } = await peer(t, ({ payload }) => payload.toString() === 'x' ? [bytes] : [reply('well')])
  const header = fc.record({
    length: fc.oneof(fc.nat(64), fc.constantFrom(0, 15, 16, 20, 0xffff_ffff)), type: fc.nat(20), flags: fc.nat(0x3ff), sequence: fc.nat(60), payload: fc.uint8Array({ maxLength: 48 }),
  }).map(({ length, type, flags, sequence, payload }) => {
    const head = Buffer.alloc(16)
    head.writeUInt32LE(length)
    head.writeUInt16LE(type, 4)
    head.writeUInt16LE(flags, 6)
    head.writeUInt32LE(sequence, 8)
    return Buffer.concat([head, payload])
  })
  const datagram = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.array(header, { minLength: 1, maxLength: 5 }).map(Buffer.concat))
  await fc.assert(fc.asyncProperty(datagram, async (sent) => {
    bytes = sent
    await client.request(reply('x'), { timeout: 1 }).catch((error) => {
      assert.ok(error instanceof NetlinkError || error instanceof NetlinkFormatError, error)
    })
    assert.equal((await client.request(reply('y')))[0].payload.toString(), 'well')
  }), { numRuns: 300 })
})

test('a batch: every one acknowledged or only the last, whatever it takes to send', async (t) => {
  const client = await open(t)
  for (const acknowledge of ['each', 'last']) {
    await client.batch(numbers(1000, addRoute), { acknowledge })
    assert.equal((await routes(client)).length, 1000)
    await client.batch(numbers(1000, deleteRoute), { acknowledge })
    assert.equal((await routes(client)).length, 0)
  }
  await client.batch([])
  const small = await open(t, { sendBuffer: 0, receiveBuffer: 0 })
  await small.batch(numbers(100, addRoute))
  assert.equal((await routes(small)).length, 100)
  await small.batch(numbers(100, deleteRoute))
})

test('the failing one of a batch is named, the others are carried out, and all failures are there', async (t) => {
  const client = await open(t)
  for (const acknowledge of ['each', 'last']) {
    const messages = [...numbers(500, addRoute), addRoute(3), addRoute(500), addRoute(499), addRoute(0)]
    const error = await failure(client.batch(messages, { acknowledge, layout: Route }))
    assert.ok(error instanceof NetlinkError)
    assert.deepEqual([error.code, error.index], ['EEXIST', 500])
    assert.match(error.message, /request 500 of the batch/)
    assert.deepEqual(error.failures.map(({ index }) => index), [500, 502, 503])
    assert.deepEqual(error.failures.map(({ request }) => Route.decode(request.payload).destination & 0xffff), [3, 499, 0])
    assert.equal((await routes(client)).length, 501)
    await client.batch(numbers(501, deleteRoute))
  }
})

test('a message of a batch that is larger than a datagram fails alone', async (t) => {
  const client = await open(t, { sendBuffer: 4096 })
  const messages = [addRoute(0), { ...addRoute(1), payload: Buffer.alloc(100_000) }, addRoute(2)]
  const error = await failure(client.batch(messages))
  assert.deepEqual([error.code, error.index, error.failures.length], ['EMSGSIZE', 1, 1])
  assert.equal((await routes(client)).length, 2)
  await client.batch([deleteRoute(0), deleteRoute(2)])
})

test('a batch that nobody answers times out; aborted, it sends no more', async (t) => {
  const { client, seen } = await peer(t, () => [])
  const error = await failure(client.batch([reply('a'), reply('b')], { timeout: 20 }))
  assert.deepEqual([error.code, error.failures.map(({ index }) => index)], ['ETIMEDOUT', [0, 1]])
  const reason = new Error('enough')
  const controller = new AbortController()
  const aborted = failure(client.batch(numbers(1000, () => reply('c')), { signal: controller.signal }))
  while (seen.length < 3) await new Promise(setImmediate)
  controller.abort(reason)
  assert.equal(await aborted, reason)
  assert.ok(seen.length < 1000)
})

test('answers lost to an overrun settle every request with ENOBUFS, and the client goes on', async (t) => {
  const client = await open(t)
  // Each asks for an answer far larger than the acknowledgement that the bound is made for.
  const error = await failure(client.batch(numbers(200, () => getLink(1)), { acknowledge: 'each' }))
  assert.equal(error.code, 'ENOBUFS')
  assert.match(error.message, /whether the request was carried out is unknown/)
  assert.ok(error.failures.length < 200 && error.failures.every(({ code }) => code === 'ENOBUFS'))
  for (let i = 0; i < 3; i++) assert.equal(Link.decode((await client.request(getLink(1)))[0].payload).name, 'lo')
  await client.batch([addRoute(1), deleteRoute(1)])
})

test('sequence numbers skip 0 and those in use', () => {
  const busy = new Set([0xffff_ffff, 2])
  const inUse = (sequence) => busy.has(sequence)
  const sequences = new Sequences(0xffff_fffd)
  assert.deepEqual(numbers(5, () => sequences.take(1, inUse)), [0xffff_fffd, 0xffff_fffe, 1, 3, 4])
  const ranges = new Sequences(0xffff_fff0)
  assert.equal(ranges.take(10, inUse), 0xffff_fff0)
  assert.equal(ranges.take(10, inUse), 3)
  assert.equal(ranges.take(1, inUse), 13)
})

test('a client in another namespace, also for dumps begun after its name is gone', async (t) => {
  const other = await otherNamespace(t)
  const here = await open(t)
  const there = await open(t, { namespace: other.path })
  await there.request(addRoute(5))
  assert.deepEqual([(await routes(here)).length, (await routes(there)).length], [0, 1])
  const error = await failure(NetlinkClient.open({ protocol: 0, namespace: 'nowhere' }))
  assert.match(error.message, /ENOENT.*"nowhere"/)
})

test('groups are for sockets; other bad arguments are named', async (t) => {
  const client = await open(t)
  const message = getLink(1)
  const cases = [
    [() => NetlinkClient.open({ protocol: 0, groups: [1] }), 'ERR_INVALID_ARG_VALUE', /options\.groups.*NetlinkSocket/],
    [() => NetlinkClient.open({ protocol: 0, peer: -1 }), 'ERR_OUT_OF_RANGE', /options\.peer/],
    [() => NetlinkClient.open({ protocol: 2, peer: 55, portId: 55 }), 'ERR_INVALID_ARG_VALUE', /options\.portId.*options\.peer/],
    [() => NetlinkClient.open({ protocol: 0, dumps: 0 }), 'ERR_OUT_OF_RANGE', /options\.dumps/],
    [() => client.request(), 'ERR_INVALID_ARG_TYPE', /message/],
    [() => client.request({ type: 70_000, payload: Buffer.alloc(0) }), 'ERR_OUT_OF_RANGE', /message\.type/],
    [() => client.request(message, { timeout: -1 }), 'ERR_OUT_OF_RANGE', /options\.timeout/],
    [() => client.request(message, { signal: {} }), 'ERR_INVALID_ARG_TYPE', /options\.signal/],
    [() => client.request(message, { layout: {} }), 'ERR_INVALID_ARG_TYPE', /options\.layout/],
    [() => client.request(message, { until: true }), 'ERR_INVALID_ARG_TYPE', /options\.until/],
    [() => client.request(message, { acknowledge: 1 }), 'ERR_INVALID_ARG_TYPE', /options\.acknowledge/],
    [() => client.batch(message), 'ERR_INVALID_ARG_TYPE', /messages/],
    [() => client.batch([message, 5]), 'ERR_INVALID_ARG_TYPE', /messages\[1\]/],
    [() => client.batch([], { acknowledge: 'none' }), 'ERR_INVALID_ARG_VALUE', /options\.acknowledge/],
    [() => client.dump(message, { onInterrupted: 'no' }), 'ERR_INVALID_ARG_VALUE', /options\.onInterrupted/],
    [() => client.dump(message, { retries: -1 }), 'ERR_OUT_OF_RANGE', /options\.retries/],
  ]
  for (const [call, code, text] of cases) {
    const error = await failure((async () => call())())
    assert.equal(error.code, code, `${call}: ${error}`)
    assert.match(error.message, text)
  }
})
