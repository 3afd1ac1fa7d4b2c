// Descriptors: they arrive with their bytes, closed on exec, exactly once; none leaks, none is lost without a word.
import test from 'ava'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { UnixDatagram, UnixListener, UnixSeqpacket, UnixStream } from 'nearwire'
import { areSame, bound, closesOnExec, contentOf, copiesOf, file, fill, isOpen, pairOf, text } from './helpers/messages.mjs'
import { pattern, peers, startPeer } from './helpers/peers.mjs'
import { abstractName, clog, closing, collect, isSettled, place, ran, readExactly } from './helpers/sockets.mjs'

/** Sending and receiving with descriptors, the same for the three types. */
const types = [
  ['stream', UnixStream, (socket, data, fds) => socket.sendMessage({ data, fds }), (socket) => socket.receiveMessage()],
  ['datagram', UnixDatagram, (socket, data, fds) => socket.send(data, { fds }), (socket) => socket.receive()],
  ['seqpacket', UnixSeqpacket, (socket, data, fds) => socket.send(data, { fds }), (socket) => socket.receive()],
]

for (const [type, Class, send, receive] of types) {
  test(`${type}: a descriptor arrives, of the same file, closed on exec, and the sender keeps its own`, async (t) => {
    const [left, right] = pairOf(t, Class)
    const fd = file(t, 'content')
    await send(left, 'with', [fd])
    const { data, fds, ancillaryTruncated } = await receive(right)
    t.is(data.toString(), 'with')
    t.is(fds.length, 1)
    t.false(ancillaryTruncated)
    t.not(fds[0], fd)
    t.true(areSame(fds[0], fd))
    t.true(closesOnExec(fds[0]))
    t.is(contentOf(fds[0]), 'content')
    t.true(isOpen(fd))
  })

  test(`${type}: 253 descriptors go with one message, 254 are refused before any system call`, async (t) => {
    const [left, right] = pairOf(t, Class)
    const fd = file(t, 'x')
    await send(left, 'many', Array(253).fill(fd))
    const { fds } = await receive(right)
    t.is(fds.length, 253)
    t.is(new Set(fds).size, 253)
    t.true(fds.every((one) => areSame(one, fd)))
    fds.forEach((one) => closeSync(one))
    const error = await t.throwsAsync(async () => send(left, 'more', Array(254).fill(fd)), { instanceOf: RangeError, code: 'ERR_OUT_OF_RANGE' })
    t.regex(error.message, /253/)
    await send(left, 'on', [])
    t.is((await receive(right)).data.toString(), 'on')
  })

  test(`${type}: a descriptor that is not open is EBADF, and the socket goes on`, async (t) => {
    const [left, right] = pairOf(t, Class)
    await t.throwsAsync(async () => send(left, 'bad', [2_000_000]), { code: 'EBADF', message: /not open/ })
    await send(left, 'good', [])
    t.is((await receive(right)).data.toString(), 'good')
  })

  test(`${type}: descriptors that nobody received are closed with the socket`, async (t) => {
    const [left, right] = pairOf(t, Class)
    const fd = file(t, 'x')
    for (let index = 0; index < 3; index++) await send(left, 'unread', [fd, fd])
    await left.close()
    await right.close()
    t.is(copiesOf(fd), 1)
  })

  test(`${type}: a receiver that refuses descriptors makes the sender get EPERM, explained`, async (t) => {
    let pair
    try {
      pair = pairOf(t, Class, { passRights: false })
    } catch (error) {
      t.is(error.code, 'ENOPROTOOPT')
      t.log(`skipped: ${error.message}`)
      return
    }
    const [left, right] = pair
    await t.throwsAsync(async () => send(left, 'x', [0]), { code: 'EPERM', message: /SO_PASSRIGHTS/ })
    await send(left, 'plain', [])
    t.is((await receive(right)).data.toString(), 'plain')
  })

  for (const peer of peers) {
    test(`${type}: descriptors to and from a ${peer} program, in both roles`, async (t) => {
      for (const role of ['server', 'client']) {
        const path = place(t)
        let socket
        let program
        const steps = [`send-descriptors:3:three`, 'receive', 'send-descriptors:1:one']
        if (role === 'server') {
          const first = type === 'datagram' ? ['receive', ...steps] : steps
          program = await startPeer(t, peer, [type, 'server', path, ...first])
          socket = closing(t, type === 'datagram' ? await UnixDatagram.bind('auto') : await Class.connect(path))
          if (type === 'datagram') {
            socket.connect(path)
            await socket.send('hello')
          }
        } else if (type === 'datagram') {
          socket = closing(t, await UnixDatagram.bind(path))
          program = await startPeer(t, peer, [type, 'client', path, `--bind=${path}.client`, ...steps])
          socket.connect(`${path}.client`)
        } else {
          const { UnixSeqpacketListener } = await import('nearwire')
          const Listener = type === 'stream' ? UnixListener : UnixSeqpacketListener
          const listener = closing(t, await Listener.listen(path))
          program = await startPeer(t, peer, [type, 'client', path, ...steps])
          socket = closing(t, await listener.accept())
        }
        const messages = type === 'stream' && role === 'client' ? socket.messages() : undefined
        const next = async () => (messages === undefined ? receive(socket) : (await messages.next()).value)
        const three = await next()
        t.is(three.data.toString(), 'three')
        t.deepEqual(three.fds.map(contentOf), ['descriptor 0', 'descriptor 1', 'descriptor 2'])
        const mine = [file(t, 'mine'), file(t, 'too')]
        await send(socket, 'two', mine)
        let received = await program.result('receive')
        if (received.data === 'hello') received = await program.result('receive')
        t.is(received.data, 'two')
        t.deepEqual(received.descriptors, ['mine', 'too'])
        t.false(received.controlTruncated)
        const one = await next()
        t.deepEqual([one.data.toString(), one.fds.map(contentOf)], ['one', ['descriptor 0']])
        await program.exit
      }
    })
  }
}

test('on a stream, descriptors without bytes are refused with the reason', async (t) => {
  const [left] = pairOf(t, UnixStream)
  for (const message of [{ data: '', fds: [0] }, { data: new Uint8Array(0), credentials: true }]) {
    await t.throwsAsync(left.sendMessage(message), { code: 'ERR_INVALID_ARG_VALUE', message: /at least one byte.*travel with bytes/ })
  }
  t.is(await left.sendMessage({ data: '' }), 0)
})

test('a datagram or seqpacket message may have descriptors and no bytes', async (t) => {
  for (const Class of [UnixDatagram, UnixSeqpacket]) {
    const [left, right] = pairOf(t, Class)
    await left.send('', { fds: [file(t, 'bare')] })
    const { data, fds } = await right.receive()
    t.is(data.length, 0)
    t.deepEqual(fds.map(contentOf), ['bare'])
  }
})

test('on a stream, descriptors stay with the bytes they were sent with', async (t) => {
  const [left, right] = pairOf(t, UnixStream)
  await left.write('A')
  await left.sendMessage({ data: 'B', fds: [file(t, 'first')] })
  await left.sendMessage({ data: 'C', fds: [file(t, 'second')] })
  await left.write('D')
  const first = await right.receiveMessage()
  t.is(first.data.toString(), 'AB', 'the kernel puts earlier bytes before them')
  t.deepEqual(first.fds.map(contentOf), ['first'])
  const second = await right.receiveMessage()
  t.is(second.data.toString(), 'C')
  t.deepEqual(second.fds.map(contentOf), ['second'])
  const last = await right.receiveMessage()
  t.deepEqual([last.data.toString(), last.fds.length], ['D', 0])
  left.shutdown()
  t.is(await right.receiveMessage(), null)
  t.is(await right.receiveMessage(), null)
})

test('messages() of a stream: as receiveMessage() gives them, until the end', async (t) => {
  const [left, right] = pairOf(t, UnixStream)
  await left.write('A')
  await left.sendMessage({ data: 'B', fds: [file(t, 'first'), file(t, 'second')] })
  await left.write('C')
  await left.sendMessage({ data: 'D', fds: [file(t, 'third')] })
  await left.write('E')
  left.shutdown()
  const all = await collect(right.messages())
  t.deepEqual(all.map(({ data, fds }) => [data.toString(), fds.map(contentOf)]), [
    ['AB', ['first', 'second']], ['CD', ['third']], ['E', []],
  ])
  t.deepEqual(await collect(right.messages()), [])
})

test('messages() of a stream: hundreds with descriptors from a sender that goes on meanwhile', async (t) => {
  const [left, right] = pairOf(t, UnixStream)
  const fd = file(t, 'each')
  const sending = (async () => {
    for (let index = 0; index < 500; index++) await left.sendMessage({ data: Buffer.from([index & 0xff]), fds: [fd] })
    left.shutdown()
  })()
  let count = 0
  for await (const { data, fds } of right.messages()) {
    t.deepEqual([...data], [count & 0xff])
    t.deepEqual(fds.map(contentOf), ['each'])
    count++
  }
  t.is(count, 500)
  await sending
  t.is(copiesOf(fd), 1)
})

test('messages() of a stream: bytes without descriptors come in pieces, however many there are', async (t) => {
  const [left, right] = pairOf(t, UnixStream)
  const sent = pattern(3_000_000)
  const writing = left.write(sent).then(() => left.shutdown())
  const pieces = (await collect(right.messages())).map(({ data }) => data)
  t.true(Buffer.concat(pieces).equals(sent))
  await writing
})

test('messages() of a stream: nothing else reads it, a loop goes on where the last was left, what was read ahead stays', async (t) => {
  const [left, right] = pairOf(t, UnixStream)
  const fd = file(t, 'ahead')
  for (let index = 0; index < 6; index++) await left.sendMessage({ data: `${index}`, fds: [fd] })
  for await (const { data, fds } of right.messages()) {
    t.is(data.toString(), '0')
    t.deepEqual(fds.map(contentOf), ['ahead'])
    break
  }
  for (const read of [() => right.receiveMessage(), () => right.read(Buffer.alloc(1)), () => collect(right)]) {
    await t.throwsAsync(async () => read(), { code: 'ERR_STREAM_LOCKED', message: /messages\(\)/ })
  }
  t.throws(() => right.framed(), { code: 'ERR_STREAM_LOCKED' })
  t.throws(() => right.detach(), { code: 'ERR_READ_AHEAD', message: /5 messages/ })
  for await (const { data, fds } of right.messages()) {
    t.is(data.toString(), '1')
    t.deepEqual(fds.map(contentOf), ['ahead'])
    break
  }
  t.true(copiesOf(fd) > 1, 'four wait')
  await right.close()
  t.is(copiesOf(fd), 1)
  t.deepEqual(await collect(right.messages()), [])
  const [framed] = pairOf(t, UnixStream)
  framed.framed()
  t.throws(() => framed.messages(), { code: 'ERR_STREAM_LOCKED' })
})

test('messages() of a stream whose peer is gone without reading: what it sent, then ECONNRESET', async (t) => {
  const [left, right] = pairOf(t, UnixStream)
  await right.write('unread')
  await left.sendMessage({ data: 'x', fds: [file(t, 'x')] })
  await left.close()
  const got = []
  await t.throwsAsync(async () => {
    for await (const message of right.messages()) got.push(...message.fds.map(contentOf))
  }, { code: 'ECONNRESET' })
  t.deepEqual(got, ['x'])
})

test('on a stream, maxLength takes the descriptors with the first of the bytes and leaves the rest of them', async (t) => {
  const [left, right] = pairOf(t, UnixStream)
  await left.sendMessage({ data: 'abcdef', fds: [file(t, 'x')] })
  const first = await right.receiveMessage({ maxLength: 2 })
  t.deepEqual([first.data.toString(), first.fds.map(contentOf)], ['ab', ['x']])
  t.false(first.truncated)
  const rest = await right.receiveMessage()
  t.deepEqual([rest.data.toString(), rest.fds.length], ['cdef', 0])
  await t.throwsAsync(right.receiveMessage({ maxLength: 0 }), { code: 'ERR_OUT_OF_RANGE' })
})

test('a write that the kernel takes in parts sends its descriptors once', async (t) => {
  const [left, right] = pairOf(t, UnixStream)
  const fd = file(t, 'once')
  const size = 4 * 1024 * 1024
  const sending = left.sendMessage({ data: pattern(size), fds: [fd] })
  const after = left.write('tail')
  let [length, count] = [0, 0]
  while (length < size + 4) {
    const { data, fds } = await right.receiveMessage()
    if (length < size && !data.subarray(0, size - length).equals(pattern(Math.min(data.length, size - length), length))) t.fail('damaged')
    length += data.length
    count += fds.length
    fds.forEach((one) => closeSync(one))
  }
  t.is(count, 1)
  t.is(await sending, size)
  await after
  t.is(copiesOf(fd), 1)
})

test('messages with descriptors keep their place among writes, on a stream that is full too', async (t) => {
  const [left, right] = pairOf(t, UnixStream)
  const clogging = clog(left, 1024 * 1024)
  const fd = file(t, 'in place')
  const message = left.sendMessage({ data: 'M', fds: [fd] })
  const refused = left.sendMessage({ data: 'R', fds: [2_000_000] })
  const after = left.write('after')
  t.false(await isSettled(message))
  await readExactly(right, 1024 * 1024)
  await t.throwsAsync(refused, { code: 'EBADF' })
  const { data, fds } = await right.receiveMessage()
  t.is(data.toString(), 'M')
  t.deepEqual(fds.map(contentOf), ['in place'])
  t.is((await right.receiveMessage()).data.toString(), 'after')
  await Promise.all([clogging, message, after])
})

test('a message that waits on a stream has the descriptors that were in the list when it was given', async (t) => {
  const [left, right] = pairOf(t, UnixStream)
  const clogging = clog(left, 1024 * 1024)
  const fds = [file(t, 'given')]
  const sending = left.sendMessage({ data: 'M', fds })
  fds.pop()
  await readExactly(right, 1024 * 1024)
  await Promise.all([clogging, sending])
  const received = await right.receiveMessage()
  t.deepEqual(received.fds.map(contentOf), ['given'])
})

test('a signal withdraws a message that waits, and its descriptors are not sent', async (t) => {
  const [left, right] = pairOf(t, UnixStream)
  const clogging = clog(left, 1024 * 1024)
  const controller = new AbortController()
  const aborted = left.sendMessage({ data: 'M', fds: [0] }, { signal: controller.signal })
  controller.abort(new Error('enough'))
  await t.throwsAsync(aborted, { message: 'enough' })
  const after = left.write('after')
  await readExactly(right, 1024 * 1024)
  await clogging
  await after
  const { data, fds } = await right.receiveMessage()
  t.deepEqual([data.toString(), fds.length], ['after', 0])
})

test('what reads bytes only lets the kernel close the descriptors: none leaks', async (t) => {
  const fd = file(t, 'x')
  for (const how of ['read', 'iterate', 'framed']) {
    const [left, right] = pairOf(t, UnixStream)
    await left.sendMessage({ data: Buffer.from([0, 0, 0, 1, 0x61]), fds: [fd] })
    if (how === 'read') t.is(await right.read(Buffer.alloc(10)), 5)
    else if (how === 'iterate') for await (const chunk of right) { t.is(chunk.length, 5); break }
    else for await (const message of right.framed()) { t.is(message.toString(), 'a'); break }
    t.is(copiesOf(fd), 1, how)
    await Promise.all([left.close(), right.close()])
  }
  const [left, right] = pairOf(t, UnixStream)
  right.framed()
  await t.throwsAsync(right.receiveMessage(), { code: 'ERR_STREAM_LOCKED' })
  await left.close()
})

test('descriptors of messages that were read ahead come with the next receive, or are closed with the socket', async (t) => {
  for (const Class of [UnixDatagram, UnixSeqpacket]) {
    const [left, right] = pairOf(t, Class)
    const fd = file(t, 'ahead')
    for (let index = 0; index < 6; index++) await left.send(`${index}`, { fds: [fd] })
    for await (const { fds } of right) {
      t.deepEqual(fds.map(contentOf), ['ahead'])
      break
    }
    const next = await right.receive()
    t.is(next.data.toString(), '1')
    t.deepEqual(next.fds.map(contentOf), ['ahead'])
    const peeked = await right.receive({ peek: true })
    t.deepEqual([peeked.data.toString(), peeked.fds], ['2', []])
    t.deepEqual((await right.receive()).fds.map(contentOf), ['ahead'])
    t.true(copiesOf(fd) > 1, 'three wait')
    await right.close()
    await left.close()
    t.is(copiesOf(fd), 1)
  }
})

test('peeking does not take descriptors, nor leak them', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  const fd = file(t, 'peeked')
  await left.send('x', { fds: [fd] })
  for (let index = 0; index < 10; index++) {
    const { data, fds } = await right.receive({ peek: true })
    t.deepEqual([data.toString(), fds], ['x', []])
  }
  t.is(copiesOf(fd), 1)
  t.deepEqual((await right.receive()).fds.map(contentOf), ['peeked'])
})

test('a batch gives the descriptors of those messages that are asked for, and closes the others with the next one', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  const fd = file(t, 'batch')
  for (let index = 0; index < 4; index++) await left.send(`${index}`, { fds: [fd] })
  const batches = right.batches()
  const { value: batch } = await batches.next()
  t.is(batch.length, 4)
  t.deepEqual(batch.at(1).fds.map(contentOf), ['batch'])
  t.throws(() => batch.at(1), { code: 'ERR_MESSAGE_TAKEN' })
  t.is(copiesOf(fd), 4)
  await left.send('next')
  const { value: second } = await batches.next()
  t.is(second.at(0).data.toString(), 'next')
  t.is(copiesOf(fd), 1)
  t.throws(() => batch.at(0), { code: 'ERR_MESSAGE_TAKEN' })
})

test('descriptors that wait for room are sent when there is some, and may be closed then', async (t) => {
  const receiver = await bound(t)
  const [sender] = [closing(t, UnixDatagram.unbound())]
  const { sent, waiting } = await fill(sender, { to: receiver.address })
  const fd = file(t, 'late')
  const sending = sender.send('fd', { to: receiver.address, fds: [fd] })
  t.false(await isSettled(sending))
  for (let index = 0; index <= sent; index++) t.is(await text(receiver), `fill ${index}`)
  await Promise.all([waiting, sending])
  closeSync(fd)
  const { fds } = await receiver.receive()
  t.deepEqual(fds.map(contentOf), ['late'])
})

test('too many descriptors on their way: ETOOMANYREFS, explained, and it passes', async (t) => {
  // In a process of its own with a low limit, as an unprivileged user where that can be had: root is exempt.
  if (process.getuid() !== 0) t.log('as the user who runs the tests')
  const source = `
    import { closeSync } from 'node:fs'
    import { UnixSeqpacket } from 'nearwire'
    if (process.getuid() === 0) { process.setgroups([65534]); process.setgid(65534); process.setuid(65534) }
    const [left, right] = UnixSeqpacket.pair()
    const all = Array(200).fill(0)
    let error
    try {
      for (let index = 0; index < 20; index++) await left.send('x', { fds: all })
    } catch (caught) { error = caught }
    console.log(error?.code, error?.message)
    for (let message; error !== undefined; ) {
      message = await right.receive()
      message.fds.forEach((fd) => closeSync(fd))
      try { await left.send('again', { fds: [0] }); error = undefined } catch (caught) { if (caught.code !== 'ETOOMANYREFS') throw caught }
    }
    console.log('passed')
    process.exit()
  `
  const { code, stdout, stderr } = await ran(t, source, { command: ['sh', '-c', 'ulimit -n 512; exec "$@"', 'sh'] })
  t.is(code, 0, stderr)
  t.regex(stdout, /^ETOOMANYREFS .*RLIMIT_NOFILE.*receivers/)
  t.regex(stdout, /passed\n$/)
})

test('descriptors beyond this process\'s limit: those that fit arrive, and the loss is told', async (t) => {
  const { code, stdout, stderr } = await ran(t, `
    import { closeSync, openSync } from 'node:fs'
    import { UnixDatagram } from 'nearwire'
    const [left, right] = UnixDatagram.pair()
    await left.send('many', { fds: Array(50).fill(0) })
    const filler = []
    try { for (;;) filler.push(openSync('/dev/null')) } catch {}
    for (let index = 0; index < 10; index++) closeSync(filler.pop())
    const { data, fds, ancillaryTruncated, truncated } = await right.receive()
    console.log(data.toString(), fds.length, ancillaryTruncated, truncated)
    fds.forEach((fd) => closeSync(fd))
    await left.send('after', { fds: [0] })
    console.log((await right.receive()).fds.length)
    process.exit()
  `, { command: ['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh'] })
  t.is(code, 0, stderr)
  t.is(stdout, 'many 10 true false\n1\n')
})

test('a socket, a file and a pipe are of use on the other side', async (t) => {
  const [left, right] = pairOf(t, UnixSeqpacket)
  const [one, other] = UnixStream.pair()
  closing(t, other)
  const fd = one.detach()
  await left.send('socket', { fds: [fd] })
  closeSync(fd)
  const { fds } = await right.receive()
  const stream = closing(t, UnixStream.fromFd(fds[0]))
  await stream.write('through')
  t.is((await readExactly(other, 7)).toString(), 'through')
  const null_ = openSync('/dev/null')
  await left.send('file', { fds: [null_] })
  closeSync(null_)
  const file = (await right.receive()).fds[0]
  t.is(readFileSync(file).length, 0)
  closeSync(file)
})

test('unclaimed descriptors do not outlive a worker', async (t) => {
  const { Worker } = await import('node:worker_threads')
  const { once } = await import('node:events')
  const fd = file(t, 'worker')
  const receiverName = abstractName()
  const worker = new Worker(`
    import('nearwire').then(async ({ UnixDatagram }) => {
      const socket = await UnixDatagram.bind({ abstract: ${JSON.stringify(receiverName)} })
      require('node:worker_threads').parentPort.postMessage('ready')
      for await (const _ of socket) {
        require('node:worker_threads').parentPort.postMessage('got one')
        await new Promise(() => {})
      }
    })
    setInterval(() => {}, 1000)
  `, { eval: true })
  await once(worker, 'message')
  const sender = closing(t, UnixDatagram.unbound())
  sender.connect({ abstract: receiverName })
  for (let index = 0; index < 8; index++) void sender.send('x', index === 0 ? undefined : { fds: [fd] })
  await sender.flush()
  await once(worker, 'message')
  await worker.terminate()
  t.is(copiesOf(fd), 1)
})

test('iterating collects descriptors of every message', async (t) => {
  const [left, right] = pairOf(t, UnixSeqpacket)
  const fd = file(t, 'each')
  for (let index = 0; index < 40; index++) await left.send(`${index}`, { fds: index % 2 === 0 ? [fd] : [] })
  left.shutdown()
  const all = await collect(right)
  t.is(all.length, 40)
  all.forEach(({ data, fds }, index) => {
    t.is(data.toString(), `${index}`)
    t.deepEqual(fds.map(contentOf), index % 2 === 0 ? ['each'] : [])
  })
})
