// Lists: read as they are iterated, several at once, left early, interrupted, and ended with an errno.
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { NetlinkClient, NetlinkError, NetlinkFormatError, NetlinkMessageBatch, NetlinkSocket, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_MULTI, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR } from 'nearwire/netlink'
import { inNamespace, otherNamespace, start } from './helpers/namespace.mjs'
import { addAddress, Address, addRoute, deleteAddress, deleteRoute, everyAddress, everyLink, everyRoute, Link, numbers, Route } from './helpers/rtnetlink.mjs'

const test = await inNamespace(import.meta.url)

async function open(t, options = {}) {
  const client = await NetlinkClient.open({ protocol: 'route', ...options })
  t.after(() => client.close())
  return client
}
const failure = (promise) => promise.then(() => assert.fail('nothing failed'), (error) => error)
const collect = async (iterable, into = []) => {
  for await (const one of iterable) into.push(one)
  return into
}
const descriptors = () => readdirSync('/proc/self/fd').length
const turn = () => new Promise(setImmediate)

/** Addresses enough for more than is read ahead: a few datagrams, and then some more. */
const MANY = 6000
async function withAddresses(t, count = MANY) {
  const client = await open(t)
  await client.batch(numbers(count, addAddress), { acknowledge: 'last' })
  t.after(async () => {
    const own = await NetlinkClient.open({ protocol: 'route' })
    await own.batch(numbers(count, deleteAddress), { acknowledge: 'last' }).catch(() => {})
    await own.close()
  })
  return client
}
const addressesOf = (messages) => messages.map(({ payload }) => Address.decode(payload).local & 0xffff).sort((a, b) => a - b)
/** The loopback's own is 127.0.0.1. */
const expected = (count) => numbers(count).concat(1).sort((a, b) => a - b)

/** A peer that answers the n-th dump with `answers[n]`, or the last of them. */
async function peer(t, ...answers) {
  const socket = await NetlinkSocket.open({ protocol: 'usersock' })
  t.after(() => socket.close())
  const seen = []
  ;(async () => {
    for await (const datagram of socket) {
      for (const request of datagram.messages()) {
        const replies = answers[Math.min(seen.push(request), answers.length) - 1]
        for (const reply of replies) {
          if (!(reply instanceof Uint8Array)) await socket.send({ sequence: request.sequence, ...reply }, { to: datagram.from })
          else await socket.send(reply, { to: datagram.from })
        }
      }
    }
  })()
  const client = await open(t, { protocol: 'usersock', peer: socket.portId })
  return { client, seen }
}
const part = (text, flags = 0) => ({ type: 20, flags: NLM_F_MULTI | flags, payload: Buffer.from(text) })
const done = (status = 0, flags = 0) => {
  const payload = Buffer.alloc(4)
  payload.writeInt32LE(status)
  return { type: NLMSG_DONE, flags: NLM_F_MULTI | flags, payload }
}
const ask = { type: 20, payload: Buffer.from('list') }
const texts = (messages) => messages.map(({ payload }) => payload.toString())

test('a list, message by message, batch by batch, or all at once', async (t) => {
  const client = await withAddresses(t)
  const dump = client.dump(everyAddress)
  assert.deepEqual(addressesOf(await collect(dump)), expected(MANY))
  // Asked anew each time.
  assert.deepEqual(addressesOf(await dump.toArray()), expected(MANY))
  const batches = await collect(dump.batches())
  assert.ok(batches.length > 1 && batches.every((batch) => batch instanceof NetlinkMessageBatch && batch.length > 0))
  assert.deepEqual(addressesOf(batches.flatMap((batch) => [...batch])), expected(MANY))
  for (const batch of batches) {
    for (let i = 0; i < batch.length; i++) {
      assert.equal(batch.type(i), 20)
      assert.ok(batch.data.subarray(batch.start(i), batch.end(i)).equals(batch.at(i).payload))
    }
    for (const index of [batch.length, -1, 0.5]) {
      for (const ask of ['at', 'start', 'end', 'type']) {
        assert.throws(() => batch[ask](index), { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }, `${ask} ${index}`)
      }
    }
  }
  assert.deepEqual((await client.dump(everyLink).toArray()).map(({ payload }) => Link.decode(payload).name), ['lo'])
})

test('several at once on one client, beside requests', async (t) => {
  const client = await withAddresses(t)
  const lists = [0, 1, 2].map(() => collect(client.dump(everyAddress)))
  const links = collect(client.dump(everyLink))
  await client.request(addRoute(1))
  await client.request(deleteRoute(1))
  for (const list of await Promise.all(lists)) assert.deepEqual(addressesOf(list), expected(MANY))
  assert.equal((await links).length, 1)
})

test('one that nobody reads on stops no other', async (t) => {
  const client = await withAddresses(t)
  const iterators = numbers(20, () => client.dump(everyAddress)[Symbol.asyncIterator]())
  for (const iterator of iterators) assert.equal((await iterator.next()).done, false)
  assert.equal((await collect(client.dump(everyAddress))).length, MANY + 1)
  for (const iterator of iterators) {
    assert.equal((await collect(iterator)).length, MANY)
    assert.deepEqual(await iterator.next(), { value: undefined, done: true })
  }
})

test('more than may run at once wait their turn', async (t) => {
  const client = await open(t, { dumps: 2 })
  const links = await Promise.all(numbers(20, () => collect(client.dump(everyLink))))
  assert.ok(links.every((list) => list.length === 1))
  const held = [client.dump(everyAddress), client.dump(everyAddress)].map((dump) => dump[Symbol.asyncIterator]())
  for (const iterator of held) await iterator.next()
  const reason = new Error('enough')
  const controller = new AbortController()
  const aborted = failure(client.dump(everyLink, { signal: controller.signal }).toArray())
  const waiting = client.dump(everyLink).toArray()
  await turn()
  controller.abort(reason)
  assert.equal(await aborted, reason)
  await held[0].return()
  assert.equal((await waiting).length, 1)
})

test('one that is left half-way harms nothing and keeps no descriptor', async (t) => {
  const client = await withAddresses(t)
  await client.dump(everyLink).toArray()
  const before = descriptors()
  for (let i = 0; i < 20; i++) for await (const _ of client.dump(everyAddress)) break
  assert.ok(descriptors() <= before + 4, `${before}, then ${descriptors()}`)
  assert.deepEqual(addressesOf(await collect(client.dump(everyAddress))), expected(MANY))
})

test('an iterator that is dropped without a word leaves its socket too', async (t) => {
  const client = await withAddresses(t)
  const before = descriptors()
  await (async () => {
    for (let i = 0; i < 5; i++) await client.dump(everyAddress)[Symbol.asyncIterator]().next()
  })()
  assert.ok(descriptors() > before)
  for (let i = 0; i < 1000 && descriptors() > before; i++) {
    globalThis.gc()
    await turn()
  }
  assert.equal(descriptors(), before)
})

test('the kernel is asked for no more than is read', async (t) => {
  const client = await withAddresses(t)
  const iterator = client.dump(everyAddress, { onInterrupted: 'report' })[Symbol.asyncIterator]()
  const heard = [(await iterator.next()).value]
  // What has not been listed yet when it goes away is not in the list.
  await client.request(deleteAddress(MANY - 1))
  const error = await failure(collect(iterator, heard))
  assert.equal(error.code, 'EINTR')
  assert.ok(!addressesOf(heard).includes(MANY - 1))
  assert.ok(heard.length >= MANY - 10, `${heard.length}`)
})

test('interrupted while nothing has been handed out: begun again, without a word', async (t) => {
  const { client, seen } = await peer(t, [part('a'), part('b', NLM_F_DUMP_INTR), done()], [part('c'), done(0, NLM_F_DUMP_INTR)], [part('d'), done()])
  // A turn later all of a list is there, so that it is read in one go.
  assert.deepEqual(texts(await client.dump(ask).toArray()), ['d'])
  assert.equal(seen.length, 3)
  assert.equal(new Set(seen.map(({ sequence }) => sequence)).size, 3)
})

test('interrupted again and again: EINTR after as many tries as asked', async (t) => {
  const { client, seen } = await peer(t, [part('a', NLM_F_DUMP_INTR), done()])
  const error = await failure(client.dump(ask, { retries: 3 }).toArray())
  assert.ok(error instanceof NetlinkError)
  assert.deepEqual([error.code, error.syscall, error.request.payload.toString()], ['EINTR', 'recvmsg', 'list'])
  assert.match(error.message, /changed meanwhile.*4 times in a row/)
  assert.equal(seen.length, 4)
})

test('interrupted, and asked to report: every message, then EINTR', async (t) => {
  const { client, seen } = await peer(t, [part('a', NLM_F_DUMP_INTR), part('b'), done()])
  const heard = []
  assert.equal((await failure(collect(client.dump(ask, { onInterrupted: 'report' }), heard))).code, 'EINTR')
  assert.deepEqual(texts(heard), ['a', 'b'])
  assert.equal((await failure(client.dump(ask, { onInterrupted: 'report' }).toArray())).code, 'EINTR')
  assert.equal(seen.length, 2)
})

test('a table that changes while all of it is read: begun again, and as it is afterwards', async (t) => {
  const client = await withAddresses(t)
  const reading = client.dump(everyAddress).toArray()
  // The first pieces have been read within the call, or within a few turns; the change comes in between.
  await client.request(addAddress(MANY))
  assert.deepEqual(addressesOf(await reading), expected(MANY + 1))
  await client.request(deleteAddress(MANY))
})

test('a table that never stands still: an answer, or EINTR, never a wrong list without a word', async (t) => {
  const client = await withAddresses(t, 3000)
  const flapping = start(process.execPath, ['--input-type=module', '-e', `
    import { NetlinkClient } from 'nearwire/netlink'
    import { addAddress, deleteAddress } from './__test__/helpers/rtnetlink.mjs'
    const client = await NetlinkClient.open({ protocol: 'route' })
    console.log('flapping')
    for (;;) {
      await client.request(addAddress(50000))
      await client.request(deleteAddress(50000))
    }`], { cwd: new URL('..', import.meta.url) })
  await flapping.said('flapping')
  for (let i = 0; i < 30; i++) {
    try {
      const list = addressesOf(await client.dump(everyAddress, { retries: 2 }).toArray()).filter((index) => index !== 50_000)
      assert.deepEqual(list, expected(3000))
    } catch (error) {
      assert.equal(error.code, 'EINTR')
    }
  }
  flapping.child.kill()
  await flapping.ended
  await client.request(deleteAddress(50_000)).catch(() => {})
})

test('DONE\'s errno comes after what came before it', async (t) => {
  const { client } = await peer(t, [part('a'), part('b'), done(-5)])
  const heard = []
  const error = await failure(collect(client.dump(ask), heard))
  assert.ok(error instanceof NetlinkError)
  assert.deepEqual([error.code, error.errno, texts(heard)], ['EIO', 5, ['a', 'b']])
  assert.equal((await failure(client.dump(ask).toArray())).code, 'EIO')
})

test('DONE has a number that is no errno, or nothing at all', async (t) => {
  const { client } = await peer(t, [part('a'), done(7)], [part('b'), { type: NLMSG_DONE, flags: NLM_F_MULTI, payload: Buffer.alloc(0) }])
  assert.deepEqual(texts(await collect(client.dump(ask))), ['a'])
  assert.deepEqual(texts(await collect(client.dump(ask))), ['b'])
})

test('a refusal is a NetlinkError, with names where types are known', async (t) => {
  const strict = await open(t, { strictChecking: true })
  const error = await failure(strict.dump({ ...everyRoute, payload: Buffer.concat([Route.encode({ family: 2 }), Buffer.from('0800010000000000', 'hex')]) }, { layout: Route }).toArray())
  assert.ok(error instanceof NetlinkError)
  assert.equal(error.code, 'EINVAL')
  assert.ok(error.extack.message.length > 0)
  const refused = await failure(collect((await open(t)).dump({ type: 4000, payload: Buffer.alloc(0) })))
  assert.equal(refused.code, 'EOPNOTSUPP')
})

test('flags of a list are added, and the acknowledgement that would be a second end is not asked for', async (t) => {
  const { client, seen } = await peer(t, [done()])
  await client.dump({ ...ask, flags: NLM_F_ACK | 0x20 }).toArray()
  assert.equal(seen[0].flags, NLM_F_REQUEST | NLM_F_DUMP | 0x20)
})

test('an acknowledgement is an end too, and so is what the peer\'s protocol says', async (t) => {
  const { client } = await peer(t, [part('a'), { type: NLMSG_ERROR, payload: Buffer.alloc(20) }], [part('b'), part('end'), part('c')])
  assert.deepEqual(texts(await collect(client.dump(ask))), ['a'])
  assert.deepEqual(texts(await collect(client.dump(ask, { until: ({ payload }) => payload.toString() === 'end' }))), ['b', 'end'])
})

test('a peer that falls silent is ETIMEDOUT, after what came', async (t) => {
  const { client } = await peer(t, [part('a')])
  const heard = []
  const error = await failure(collect(client.dump(ask, { timeout: 20 }), heard))
  assert.deepEqual([error.code, texts(heard)], ['ETIMEDOUT', ['a']])
  assert.match(error.message, /20 ms/)
})

test('a slow reader is not a silent peer', async (t) => {
  const client = await withAddresses(t)
  const heard = []
  let waited = 0
  for await (const message of client.dump(everyAddress, { timeout: 20 })) {
    if (heard.push(message) % 2000 === 0) {
      await new Promise((resolve) => { setTimeout(resolve, 40) })
      waited++
    }
  }
  assert.ok(waited >= 2)
  assert.deepEqual(addressesOf(heard), expected(MANY))
})

test('a part that cannot be read is an error, after what came before it', async (t) => {
  const { client } = await peer(t, [part('a'), Buffer.from('ffff000014000200', 'hex')])
  const heard = []
  const error = await failure(collect(client.dump(ask), heard))
  assert.ok(error instanceof NetlinkFormatError)
  assert.deepEqual(texts(heard), ['a'])
})

test('aborting ends it with the reason, closing with ERR_SOCKET_CLOSED: never as if it were complete', async (t) => {
  const { client } = await peer(t, [part('a')])
  const controller = new AbortController()
  const reason = new Error('enough')
  const one = client.dump(ask, { signal: controller.signal })[Symbol.asyncIterator]()
  const two = client.dump(ask)[Symbol.asyncIterator]()
  const three = client.dump(ask)[Symbol.asyncIterator]()
  for (const iterator of [one, two, three]) assert.equal((await iterator.next()).value.payload.toString(), 'a')
  const aborted = failure(one.next())
  await turn()
  controller.abort(reason)
  assert.equal(await aborted, reason)
  assert.deepEqual(await one.next(), { value: undefined, done: true })
  const closed = failure(two.next())
  await turn()
  await client.close()
  assert.equal((await closed).code, 'ERR_SOCKET_CLOSED')
  assert.equal((await failure(three.next())).code, 'ERR_SOCKET_CLOSED')
  assert.equal(await failure((await open(t)).dump(everyLink, { signal: AbortSignal.abort(reason) }).toArray()), reason)
})

test('overlapping next() calls stay in order, and return() settles those that wait', async (t) => {
  const { client } = await peer(t, [part('a'), part('b'), part('c')])
  const iterator = client.dump(ask)[Symbol.asyncIterator]()
  const calls = numbers(5, () => iterator.next())
  assert.deepEqual(texts((await Promise.all(calls.slice(0, 3))).map(({ value }) => value)), ['a', 'b', 'c'])
  await iterator.return()
  assert.deepEqual(await Promise.all(calls.slice(3)), numbers(2, () => ({ value: undefined, done: true })))
})

test('nothing is sent before it is iterated', async (t) => {
  const { client, seen } = await peer(t, [part('a'), done()])
  const payload = Buffer.from('list')
  const dump = client.dump({ type: 20, payload })
  payload.fill(0)
  await turn()
  assert.equal(seen.length, 0)
  await dump.toArray()
  assert.equal(seen[0].payload.toString(), 'list')
})

test('lists of another namespace, begun after whoever named it is gone', async (t) => {
  const other = await otherNamespace(t)
  const client = await open(t, { namespace: other.path })
  const inner = await open(t, { namespace: other.path })
  await client.batch(numbers(10, addRoute))
  process.kill(other.pid)
  const routes = (await client.dump(everyRoute).toArray()).filter(({ payload }) => Route.decode(payload).table === 254)
  assert.equal(routes.length, 10)
  await inner.close()
})
