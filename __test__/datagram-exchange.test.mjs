// Datagrams: boundaries, order, senders, sizes; with programs that know nothing of nearwire in both roles.
import test from 'ava'
import { UnixDatagram, UnixSeqpacket } from 'nearwire'
import { numberedMessage, pattern, peers, startPeer } from './helpers/peers.mjs'
import { bound, pairOf, text, unbound } from './helpers/messages.mjs'
import { abstractName, closing, collect, directory, isSettled, place } from './helpers/sockets.mjs'

for (const peer of peers) {
  test(`a ${peer} client's messages arrive one by one, and it gets an answer`, async (t) => {
    const path = place(t)
    const socket = await bound(t, path)
    const client = await startPeer(t, peer, [
      'datagram', 'client', path, `--bind=${path}.client`, 'send:one', 'send:', 'send:three', 'receive', 'receive',
    ])
    const messages = [await socket.receive(), await socket.receive(), await socket.receive()]
    t.deepEqual(messages.map(({ data }) => data.toString()), ['one', '', 'three'])
    for (const { from, fullLength, truncated, data } of messages) {
      t.deepEqual(from, { path: `${path}.client` })
      t.is(fullLength, data.length)
      t.false(truncated)
    }
    await socket.send('answer', { to: messages[0].from })
    await socket.send('', { to: `${path}.client` })
    const [answer, empty] = [await client.result('receive'), await client.result('receive')]
    t.is(answer.data, 'answer')
    t.is(answer.from, path)
    t.is(empty.length, 0)
    t.false(empty.end)
  })

  test(`a ${peer} server takes what is sent to it, connected and not`, async (t) => {
    const path = place(t)
    const server = await startPeer(t, peer, ['datagram', 'server', path, 'receive', 'receive', 'receive'])
    const socket = await bound(t, 'auto')
    await socket.send('unconnected', { to: path })
    t.is((await server.result('receive')).data, 'unconnected')
    socket.connect(path)
    t.deepEqual(socket.remoteAddress, { path })
    await socket.send('connected')
    const received = await server.result('receive')
    t.is(received.data, 'connected')
    t.is(received.from, `@${socket.address.abstract}`)
    socket.disconnect()
    t.is(socket.remoteAddress, null)
    await t.throwsAsync(async () => socket.send('nowhere'), { code: 'ENOTCONN', message: /no destination/ })
    await socket.send('again', { to: path })
    t.is((await server.result('receive')).data, 'again')
  })

  test(`a ${peer} server echoes to each sender, and none gets another's`, async (t) => {
    const name = abstractName()
    await startPeer(t, peer, ['datagram', 'server', `@${name}`, 'echo'])
    const sockets = await Promise.all(Array.from({ length: 5 }, () => bound(t, 'auto')))
    await Promise.all(sockets.map(async (socket, index) => {
      for (let message = 0; message < 20; message++) {
        await socket.send(`${index} ${message}`, { to: { abstract: name } })
        t.is(await text(socket), `${index} ${message}`)
      }
    }))
  })

  test(`2,000 messages from a ${peer} client arrive whole and in order, iterated and in batches`, async (t) => {
    for (const how of ['iterate', 'batches']) {
      const path = place(t)
      const socket = await bound(t, path)
      await startPeer(t, peer, ['datagram', 'client', path, 'send-messages:2000x300'])
      let index = 0
      const check = (data) => {
        if (!data.equals(numberedMessage(300, index))) t.fail(`message ${index} is damaged`)
        return ++index === 2000
      }
      if (how === 'iterate') {
        for await (const { data } of socket) if (check(data)) break
      } else {
        outer: for await (const batch of socket.batches()) {
          for (let at = 0; at < batch.length; at++) {
            if (check(batch.data.subarray(batch.start(at), batch.end(at)))) break outer
          }
        }
      }
      t.is(index, 2000)
    }
  })

  test(`2,000 messages to a ${peer} server arrive whole and in order, awaited or not`, async (t) => {
    for (const awaits of [true, false]) {
      const path = place(t)
      const server = await startPeer(t, peer, ['datagram', 'server', path, 'receive-messages:2000x300'])
      const socket = unbound(t)
      socket.connect(path)
      for (let index = 0; index < 2000; index++) {
        const waiting = socket.send(numberedMessage(300, index))
        if (awaits) await waiting
      }
      await socket.flush()
      t.like(await server.result('receive-messages'), { messages: 2000, intact: true })
    }
  })
}

test('messages of every size keep their boundaries, and reading them never cuts one', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram, { sendBuffer: 1024 * 1024 })
  const sizes = [0, 1, 4095, 4096, 4097, 16_384, 16_385, 65_536, 100_000, 0, 200_000, 2]
  const sending = (async () => {
    for (const size of sizes) await left.send(pattern(size))
  })()
  for (const size of sizes) {
    const { data, truncated, fullLength } = await right.receive()
    t.true(data.equals(pattern(size)), `${size} bytes`)
    t.false(truncated)
    t.is(fullLength, size)
  }
  await sending
})

test('iteration and batches do not cut long messages either, among short ones', async (t) => {
  for (const how of ['iterate', 'batches']) {
    const [left, right] = pairOf(t, UnixDatagram, { sendBuffer: 4 * 1024 * 1024 })
    const sizes = [10, 150_000, 20, 0, 190_000, 5000]
    for (const size of sizes) left.send(pattern(size))
    await left.flush()
    const got = []
    if (how === 'iterate') {
      for await (const { data } of right) if (got.push(data) === sizes.length) break
    } else {
      for await (const batch of right.batches()) {
        for (const { data } of batch) got.push(data)
        if (got.length === sizes.length) break
      }
    }
    t.deepEqual(got.map((data) => data.length), sizes)
    got.forEach((data, index) => t.true(data.equals(pattern(sizes[index]))))
  }
})

test('the largest message that the kernel takes arrives whole', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram, { sendBuffer: 16 * 1024 * 1024 })
  const largest = 4 * 1024 * 1024
  try {
    await left.send(pattern(largest))
  } catch (error) {
    // Without CAP_NET_ADMIN the buffer is capped at net.core.wmem_max.
    t.is(error.code, 'EMSGSIZE')
    t.log(`skipped: ${error.message}`)
    return
  }
  const { data } = await right.receive()
  t.true(data.equals(pattern(largest)))
})

test('a message over SO_SNDBUF is refused with the limit, and the socket goes on', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram, { sendBuffer: 4096 })
  for (const options of [undefined, { fds: [0] }]) {
    const error = await t.throwsAsync(async () => left.send(Buffer.alloc(100_000), options), { code: 'EMSGSIZE' })
    t.regex(error.message, /100000 bytes.*SO_SNDBUF.*8160/)
  }
  await left.send('small')
  t.is(await text(right), 'small')
})

for (const Class of [UnixDatagram, UnixSeqpacket]) {
  test(`${Class.name}: a message over an SO_SNDBUF that was lowered is refused, and no other`, async (t) => {
    const [left, right] = pairOf(t, Class)
    const all = ['one', 'two', 'three', 'four', 'five', 'six', 'seven']
    const received = (async () => { for (const message of all) t.is(await text(right), message) })()
    await left.send('one')
    left.options.SO_SNDBUF = 2304
    for (const message of ['two', Buffer.alloc(6000), 'three', Buffer.alloc(20_000), 'four']) {
      try {
        await left.send(message)
      } catch (error) {
        t.is(error.code, 'EMSGSIZE')
      }
    }
    for (const message of ['five', Buffer.alloc(6000), 'six']) left.send(message)
    await t.throwsAsync(left.flush(), { code: 'EMSGSIZE', message: /SO_SNDBUF/ })
    await left.send('seven')
    await left.flush()
    await received
  })
}

test('maxLength cuts, and says so and how long it was', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  for (const size of [10, 5, 4]) await left.send(pattern(size))
  t.like(await right.receive({ maxLength: 5 }), { truncated: true, fullLength: 10, data: pattern(5) })
  t.like(await right.receive({ maxLength: 5 }), { truncated: false, fullLength: 5, data: pattern(5) })
  t.like(await right.receive({ maxLength: 0 }), { truncated: true, fullLength: 4, data: Buffer.alloc(0) })
  // The same of what iteration has read ahead.
  for (const size of [10, 9, 3]) left.send(pattern(size))
  await left.flush()
  for await (const message of right) {
    t.is(message.data.length, 10)
    break
  }
  t.like(await right.receive({ maxLength: 5 }), { truncated: true, fullLength: 9, data: pattern(5) })
  t.like(await right.receive({ maxLength: 5 }), { truncated: false, fullLength: 3, data: pattern(3) })
})

test('peek answers the next message and leaves it', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  const waiting = right.receive({ peek: true })
  await left.send('first')
  await left.send('')
  t.is((await waiting).data.toString(), 'first')
  t.like(await right.receive({ peek: true, maxLength: 2 }), { data: Buffer.from('fi'), fullLength: 5, truncated: true })
  t.is(await text(right), 'first')
  t.like(await right.receive({ peek: true }), { data: Buffer.alloc(0), fullLength: 0, truncated: false })
  t.is(await text(right), '')
  left.send('one')
  left.send('two')
  await left.flush()
  for await (const { data } of right) {
    t.is(data.toString(), 'one')
    break
  }
  t.is((await right.receive({ peek: true })).data.toString(), 'two')
  t.is(await text(right), 'two')
})

test('a zero-length datagram is a message, alone and among others, and never an end', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  for (const message of ['', 'a', '', '', 'b']) left.send(message)
  await left.flush()
  const got = []
  for await (const { data } of right) if (got.push(data.toString()) === 5) break
  t.deepEqual(got, ['', 'a', '', '', 'b'])
  const waiting = right.receive()
  t.false(await isSettled(waiting))
  left.send('')
  t.is((await waiting).data.length, 0)
})

test('from is null for a sender without a name, and an address of any kind otherwise', async (t) => {
  const receiver = await bound(t)
  const folder = directory(t)
  const bytes = Buffer.concat([Buffer.from(folder), Buffer.from('/\xff', 'latin1')])
  const abstract = Buffer.from(`a\0b${abstractName()}`)
  const senders = [
    unbound(t), await bound(t, 'auto'), await bound(t, { path: bytes }), await bound(t, { abstract }), await bound(t, `${folder}/x`),
  ]
  for (const sender of senders) await sender.send('x', { to: receiver.address })
  const from = []
  for (let index = 0; index < senders.length; index++) from.push((await receiver.receive()).from)
  t.is(from[0], null)
  t.deepEqual(from[1], senders[1].address)
  t.deepEqual(from[2].bytes, bytes)
  t.deepEqual(from[3], { abstract })
  t.deepEqual(from[4], { path: `${folder}/x` })
  for (const [index, to] of from.entries()) {
    if (to === null) continue
    await receiver.send(`answer ${index}`, { to })
    t.is(await text(senders[index]), `answer ${index}`)
  }
})

for (const waits of [false, true]) {
  test(`thousands of senders are told apart, by a receiver that ${waits ? 'waits' : 'comes later'}`, async (t) => {
    const receiver = await bound(t)
    for (let index = 0; index < 1500; index++) {
      const sender = await UnixDatagram.bind({ abstract: abstractName(`-${index}`) })
      const waiting = waits ? receiver.receive() : undefined
      await sender.send(`${index}`, { to: receiver.address })
      const { data, from } = await (waiting ?? receiver.receive())
      if (!from.abstract.equals(sender.address.abstract)) t.fail(`message ${data} of ${from.abstract}`)
      await sender.close()
    }
    t.pass()
  })
}

test('names that differ in odd bytes only are different destinations', async (t) => {
  const name = abstractName()
  const sender = unbound(t)
  const receivers = []
  for (const to of [{ abstract: name }, `\0\x02${name}`, `\0\x01${name}`, `\0${name}\0`, { abstract: Buffer.from(`\xff${name}`, 'latin1') }]) {
    receivers.push([to, await bound(t, to)])
  }
  for (const [index, [to]] of receivers.entries()) await sender.send(`${index}`, { to })
  for (const [index, [, receiver]] of receivers.entries()) t.is(await text(receiver), `${index}`)
})

test('paths over 107 bytes reach where they say', async (t) => {
  const folder = directory(t)
  const path = `${folder}/${'l'.repeat(120)}`
  const receiver = await bound(t, path)
  t.deepEqual(receiver.address, { path })
  const sender = unbound(t)
  await sender.send('far', { to: path })
  t.is(await text(receiver), 'far')
  sender.connect(path)
  await sender.send('connected')
  t.is(await text(receiver), 'connected')
})

test('what is sent in one turn stays in order whatever its size and what goes beside it', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram, { sendBuffer: 1024 * 1024 })
  const sizes = [3, 20_000, 5, 5, 30_000, 1, 0, 17_000, 8]
  const sends = sizes.map((size, index) => left.send(pattern(size, index), index % 4 === 3 ? { credentials: true } : undefined))
  await Promise.all(sends)
  await left.flush()
  for (const [index, size] of sizes.entries()) t.true((await right.receive()).data.equals(pattern(size, index)))
})

test('a message that was given to send may be changed at once when it is small', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  const message = Buffer.from('0')
  for (let index = 0; index < 10; index++) {
    message[0] = 0x30 + index
    left.send(message)
  }
  await left.flush()
  for (let index = 0; index < 10; index++) t.is(await text(right), `${index}`)
})

test('received bytes are never written again', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  const kept = []
  for (let index = 0; index < 500; index++) {
    await left.send(numberedMessage(5000, index))
    kept.push((await right.receive()).data)
  }
  kept.forEach((data, index) => { if (!data.equals(numberedMessage(5000, index))) t.fail(`message ${index} has changed`) })
  t.pass()
})

test('wrong destinations fail by name, and the socket goes on', async (t) => {
  const folder = directory(t)
  const socket = unbound(t)
  const failing = async (to, expected) => {
    const error = await t.throwsAsync(async () => {
      await socket.send('x', { to })
      await socket.flush()
    }, expected)
    t.true(Number.isInteger(error.errno) && error.errno > 0)
    return error
  }
  t.is((await failing(`${folder}/nobody`, { code: 'ENOENT' })).address, `${folder}/nobody`)
  await failing({ abstract: abstractName() }, { code: 'ECONNREFUSED' })
  const stale = await UnixDatagram.bind(`${folder}/stale`, { unlinkOnClose: false })
  await stale.close()
  await failing(`${folder}/stale`, { code: 'ECONNREFUSED' })
  const { UnixListener } = await import('nearwire')
  const listener = closing(t, await UnixListener.listen(`${folder}/stream`))
  await failing(listener.address, { code: 'EPROTOTYPE', message: /another type/ })
  t.throws(() => socket.connect(`${folder}/nobody`), { code: 'ENOENT' })
  t.throws(() => socket.connect(`${folder}/stale`), { code: 'ECONNREFUSED' })
  t.throws(() => socket.connect(listener.address), { code: 'EPROTOTYPE' })
  const receiver = await bound(t)
  await socket.send('still', { to: receiver.address })
  t.is(await text(receiver), 'still')
})

test('a failure of a message that was coalesced is thrown by the next send there, or by flush, once', async (t) => {
  const socket = unbound(t)
  const nobody = { abstract: abstractName() }
  const receiver = await bound(t)
  await socket.send('opens', { to: receiver.address })
  await text(receiver)
  const queue = () => {
    // The first of the turn is tried at once, and the others find out when the loop blocks.
    socket.send('good', { to: receiver.address })
    socket.send('bad', { to: nobody })
  }
  queue()
  await t.throwsAsync(socket.flush(), { code: 'ECONNREFUSED' })
  await socket.flush()
  queue()
  await new Promise((resolve) => { setTimeout(resolve, 1) })
  await new Promise((resolve) => { setImmediate(resolve) })
  t.throws(() => socket.send('bad', { to: nobody }), { code: 'ECONNREFUSED' })
  t.is(await text(receiver), 'good')
  t.is(await text(receiver), 'good')
  await socket.flush()
})

test('a datagram socket that is connected takes messages of its peer only', async (t) => {
  const [one, other, peer] = [await bound(t), await bound(t), await bound(t)]
  peer.connect(one.address)
  await one.send('mine', { to: peer.address })
  await t.throwsAsync(async () => other.send('foreign', { to: peer.address }), { code: 'EPERM' })
  t.is(await text(peer), 'mine')
})

test('messages that are not awaited go out when the script ends', async (t) => {
  const { ran } = await import('./helpers/sockets.mjs')
  const receiver = await bound(t)
  const name = receiver.address.abstract.toString()
  const { code, stderr } = await ran(t, `
    import { UnixDatagram } from 'nearwire'
    const socket = UnixDatagram.unbound()
    socket.connect({ abstract: ${JSON.stringify(name)} })
    for (let index = 0; index < 5; index++) socket.send('message ' + index)
  `)
  t.is(code, 0, stderr)
  for (let index = 0; index < 5; index++) t.is(await text(receiver), `message ${index}`)
})

test('batches say where each message is and who sent it', async (t) => {
  const receiver = await bound(t)
  const senders = [await bound(t, 'auto'), await bound(t, 'auto'), unbound(t)]
  for (const [index, sender] of senders.entries()) await sender.send(`from ${index}`, { to: receiver.address })
  for await (const batch of receiver.batches()) {
    t.is(batch.length, 3)
    t.deepEqual(batch.from(0), senders[0].address)
    t.deepEqual(batch.from(1), senders[1].address)
    t.is(batch.from(2), null)
    t.is(batch.data.toString('utf8', batch.start(1), batch.end(1)), 'from 1')
    t.deepEqual([...batch].map(({ data }) => data.toString()), ['from 0', 'from 1', 'from 2'])
    for (const method of ['at', 'start', 'end', 'from']) {
      for (const index of [3, -1, 0.5, NaN, undefined, '0']) {
        t.throws(() => batch[method](index), { code: 'ERR_OUT_OF_RANGE', message: /from 0 to 2/ }, `${method} ${index}`)
      }
    }
    break
  }
  t.deepEqual(await collect([]), [])
})

test('a connected socket names the senders right: those from before, its peer, and anybody once the peer is gone', async (t) => {
  const [receiver, other, peer] = [await bound(t), await bound(t), await bound(t)]
  const batches = receiver.batches()
  const froms = async (count) => {
    const all = []
    while (all.length < count) {
      const { value } = await batches.next()
      for (let index = 0; index < value.length; index++) all.push(value.from(index))
    }
    return all
  }
  const send = async (socket, count) => {
    for (let index = 0; index < count; index++) await socket.send('x', { to: receiver.address })
    await socket.flush()
  }
  await send(other, 2)
  receiver.connect(peer.address)
  await t.throwsAsync(async () => {
    await other.send('x', { to: receiver.address })
    await other.flush()
  }, { code: 'EPERM' })
  await send(peer, 3)
  t.deepEqual(await froms(5), [other, other, peer, peer, peer].map(({ address }) => address))
  for (let round = 0; round < 3; round++) {
    const waiting = froms(1)
    t.false(await isSettled(waiting))
    await send(peer, 1)
    t.deepEqual(await waiting, [peer.address])
    await send(peer, 4)
    t.deepEqual(await froms(4), Array(4).fill(peer.address))
  }
  await peer.close()
  await t.throwsAsync(async () => {
    await receiver.send('x')
    await receiver.flush()
  }, { code: 'ECONNREFUSED' })
  await send(other, 3)
  t.deepEqual(await froms(3), Array(3).fill(other.address))
  receiver.connect(other.address)
  await send(other, 2)
  t.deepEqual(await froms(2), [other.address, other.address])
  receiver.disconnect()
  const third = await bound(t)
  await send(third, 2)
  t.deepEqual(await froms(2), [third.address, third.address])
})

test('peeking past what is queued does not make it the peer\'s', async (t) => {
  const [receiver, other, peer] = [await bound(t), await bound(t), await bound(t)]
  await other.send('from before', { to: receiver.address })
  receiver.connect(peer.address)
  receiver.options.SO_PEEK_OFF = 100
  const controller = new AbortController()
  const peeking = receiver.receive({ peek: true, signal: controller.signal })
  t.false(await isSettled(peeking))
  const reason = new Error('enough')
  controller.abort(reason)
  t.is(await peeking.catch((error) => error), reason)
  await peer.send('later', { to: receiver.address })
  const { value } = await receiver.batches().next()
  t.deepEqual([value.from(0), value.from(1)], [other.address, peer.address])
})

test('connecting a connected socket elsewhere, or disconnecting it, discards what it has not received', async (t) => {
  const [receiver, first, second] = [await bound(t), await bound(t), await bound(t)]
  const give = async (socket, text) => {
    await socket.send(text, { to: receiver.address })
    await socket.flush()
  }
  await give(second, 'open')
  receiver.connect(first.address)
  await give(first, 'lost')
  receiver.connect(second.address)
  await give(second, 'lost as well')
  receiver.disconnect()
  await give(first, 'next')
  t.is(String((await receiver.receive()).data), 'next')
})

test('a peer that disconnects with something unread: ECONNRESET, once, whichever comes next', async (t) => {
  const sending = async (socket) => {
    await socket.send('x')
    await socket.flush()
  }
  for (const next of [sending, (socket) => socket.receive()]) {
    const [left, right] = pairOf(t, UnixDatagram)
    await right.send('unread')
    await left.send('last')
    left.disconnect()
    await t.throwsAsync(next(right), { code: 'ECONNRESET', message: /without reading/ })
    t.is(await text(right), 'last')
  }
})

test('timestamps come when asked for, in milliseconds', async (t) => {
  const receiver = await bound(t, undefined, { timestamps: true })
  const before = Date.now()
  const sender = unbound(t)
  await sender.send('x', { to: receiver.address })
  const { timestamp } = await receiver.receive()
  t.true(timestamp >= before - 1 && timestamp <= Date.now() + 1, `${timestamp} ${before}`)
  const [left, right] = pairOf(t, UnixDatagram)
  await left.send('x')
  t.is((await right.receive()).timestamp, null)
})

test('bad arguments name themselves before any system call', async (t) => {
  const [socket] = pairOf(t, UnixDatagram)
  const cases = [
    [() => socket.send(5), 'ERR_INVALID_ARG_TYPE', /data .*5/],
    [() => socket.send('x', 5), 'ERR_INVALID_ARG_TYPE', /options/],
    [() => socket.send('x', { to: 5 }), 'ERR_INVALID_ARG_TYPE', /options\.to/],
    [() => socket.send('x', { to: '' }), 'ERR_INVALID_ARG_VALUE', /options\.to/],
    [() => socket.send('x', { fds: 5 }), 'ERR_INVALID_ARG_TYPE', /options\.fds/],
    [() => socket.send('x', { fds: [-1] }), 'ERR_OUT_OF_RANGE', /options\.fds\[0\]/],
    [() => socket.send('x', { fds: [1.5] }), 'ERR_OUT_OF_RANGE', /options\.fds\[0\]/],
    [() => socket.send('x', { fds: ['1'] }), 'ERR_INVALID_ARG_TYPE', /options\.fds\[0\]/],
    [() => socket.send('x', { credentials: 5 }), 'ERR_INVALID_ARG_TYPE', /options\.credentials/],
    [() => socket.send('x', { credentials: { pid: 0, uid: 0, gid: 0 } }), 'ERR_OUT_OF_RANGE', /credentials\.pid/],
    [() => socket.send('x', { credentials: { pid: 1, uid: -1, gid: 0 } }), 'ERR_OUT_OF_RANGE', /credentials\.uid/],
    [() => socket.send('x', { signal: {} }), 'ERR_INVALID_ARG_TYPE', /options\.signal/],
    [() => socket.connect(5), 'ERR_INVALID_ARG_TYPE', /address/],
    [() => UnixDatagram.unbound({ passCredentials: 1 }), 'ERR_INVALID_ARG_TYPE', /options\.passCredentials/],
    [() => UnixDatagram.pair({ sendBuffer: 0 }), 'ERR_OUT_OF_RANGE', /options\.sendBuffer/],
    [() => UnixDatagram.fromFd('1'), 'ERR_INVALID_ARG_TYPE', /fd/],
  ]
  for (const [call, code, message] of cases) t.throws(call, { code, message }, String(call))
  await t.throwsAsync(socket.receive({ maxLength: -1 }), { code: 'ERR_OUT_OF_RANGE' })
  await t.throwsAsync(socket.receive({ peek: 1 }), { code: 'ERR_INVALID_ARG_TYPE' })
  await t.throwsAsync(UnixDatagram.bind(''), { code: 'ERR_INVALID_ARG_VALUE' })
  await t.throwsAsync(UnixDatagram.bind('/x', { mode: 0o1000 }), { code: 'ERR_OUT_OF_RANGE' })
  await t.throwsAsync(UnixDatagram.bind('/x', { takeover: 'yes' }), { code: 'ERR_INVALID_ARG_VALUE' })
})
