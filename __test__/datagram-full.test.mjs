// A receiver that is full: the sender waits without a spin, is woken, learns of a death, and stops nobody else.
import test from 'ava'
import { closeSync } from 'node:fs'
import { UnixDatagram } from 'nearwire'
import { bound, fill, pairOf, text, unbound } from './helpers/messages.mjs'
import { startPeer } from './helpers/peers.mjs'
import { abstractName, closing, drop, isSettled, place, ran, until } from './helpers/sockets.mjs'

/**
 * Runs a program that waits, and answers the share of a processor that it used meanwhile, by each of its tries. A process
 * of its own, because all test files share this one. A spin uses all of a processor.
 */
async function processorShares(t, source) {
  const { code, stdout, stderr } = await ran(t, `
    import { UnixDatagram } from 'nearwire'
    async function fill(socket, options) {
      for (;;) {
        await new Promise((resolve) => { setImmediate(resolve) })
        const waiting = socket.send('fill', options)
        if (waiting !== undefined) return waiting
      }
    }
    async function measure() {
      let least = Infinity
      // The least of a few samples: the engine compiles and collects when it likes.
      for (let sample = 0; sample < 4; sample++) {
        const [before, began] = [process.cpuUsage(), performance.now()]
        await new Promise((resolve) => { setTimeout(resolve, 100) })
        const { user, system } = process.cpuUsage(before)
        least = Math.min(least, (user + system) / 1000 / (performance.now() - began))
      }
      console.log(least)
    }
    ${source}
    process.exit()
  `)
  t.is(code, 0, stderr)
  return stdout.trim().split('\n').map(Number)
}

/** A sender and the options it sends with, connected or not. */
function senders(t, receiver) {
  const connected = unbound(t)
  connected.connect(receiver.address)
  return [['connected', connected, undefined], ['unconnected', unbound(t), { to: receiver.address }]]
}

test('a waiting sender is idle: it uses next to no processor time', async (t) => {
  const shares = await processorShares(t, `
    const receiver = await UnixDatagram.bind('auto')
    const sender = UnixDatagram.unbound()
    fill(sender, { to: receiver.address })
    await measure()
    const connected = UnixDatagram.unbound()
    connected.connect(receiver.address)
    fill(connected)
    await measure()
    const [left] = UnixDatagram.pair()
    fill(left)
    await measure()
  `)
  t.is(shares.length, 3)
  for (const share of shares) t.true(share < 0.1, `${shares}`)
})

test('the sender is woken by room, loses nothing and keeps the order', async (t) => {
  for (const which of [0, 1]) {
    const receiver = await bound(t)
    const [, sender, options] = senders(t, receiver)[which]
    const total = 200
    const sending = (async () => {
      for (let index = 0; index < total; index++) await sender.send(`${index}`, options)
    })()
    for (let index = 0; index < total; index++) t.is(await text(receiver), `${index}`)
    await sending
  }
})

test('not waiting for the promises neither loses nor reorders', async (t) => {
  for (const which of [0, 1]) {
    const receiver = await bound(t)
    const [, sender, options] = senders(t, receiver)[which]
    const total = 2000
    for (let index = 0; index < total; index++) void sender.send(`${index}`.padEnd(index % 50 === 0 ? 20_000 : 5), options)
    const flushed = sender.flush()
    for (let index = 0; index < total; index++) {
      const got = (await text(receiver)).trim()
      if (got !== `${index}`) t.fail(`${got} in place of ${index}`)
    }
    await flushed
  }
  t.pass()
})

test('room that only others filled wakes the sender too: no event of its own socket would', async (t) => {
  const receiver = await bound(t)
  const other = unbound(t)
  other.connect(receiver.address)
  const { sent } = await fill(other)
  const sender = unbound(t)
  const waiting = sender.send('waited', { to: receiver.address })
  t.truthy(waiting)
  t.false(await isSettled(waiting))
  for (let index = 0; index < sent; index++) await receiver.receive()
  await waiting
  const rest = [await text(receiver), await text(receiver)]
  t.deepEqual(rest.sort(), [`fill ${sent}`, 'waited'])
})

test('a slow receiver does not stop messages to the others', async (t) => {
  const [slow, quick] = [await bound(t), await bound(t)]
  const sender = unbound(t)
  const { sent, waiting } = await fill(sender, { to: slow.address })
  for (let index = 0; index < 300; index++) {
    void sender.send(`later ${index}`, { to: slow.address })?.catch(() => {})
    await sender.send(`${index}`, { to: quick.address })
    t.is(await text(quick), `${index}`)
  }
  t.false(await isSettled(waiting))
  for (let index = 0; index <= sent; index++) t.is(await text(slow), `fill ${index}`)
  for (let index = 0; index < 300; index++) t.is(await text(slow), `later ${index}`)
  await waiting
  await sender.flush()
})

test('many destinations at once: each gets its own in order, some full, some not', async (t) => {
  const receivers = await Promise.all(Array.from({ length: 20 }, () => bound(t)))
  const sender = unbound(t)
  for (let round = 0; round < 40; round++) {
    for (const { address } of receivers) void sender.send(`${round}`, { to: address })
  }
  const flushed = sender.flush()
  // The last first, so that the sender cannot go by the order in which it was asked.
  for (const receiver of receivers.reverse()) {
    for (let round = 0; round < 40; round++) t.is(await text(receiver), `${round}`)
  }
  await flushed
})

for (const how of ['connected', 'unconnected']) {
  test(`the death of the receiver wakes a ${how} sender with an error, and flush too`, async (t) => {
    const path = place(t)
    const receiver = await startPeer(t, 'c', ['datagram', 'server', path, 'pause'])
    const sender = unbound(t)
    const options = how === 'connected' ? undefined : { to: path }
    if (how === 'connected') sender.connect(path)
    const { waiting } = await fill(sender, options)
    const also = sender.send('behind', options)
    const flushed = sender.flush()
    const settled = Promise.all([waiting, also, flushed].map((one) => t.throwsAsync(one)))
    await receiver.stop()
    for (const error of await settled) t.regex(error.code, /^(ECONNREFUSED|ECONNRESET|ENOTCONN)$/)
    await sender.flush()
    // Another takes its place, and the socket goes on.
    const next = await UnixDatagram.bind(path)
    t.teardown(() => next.close())
    if (how === 'connected') sender.connect(path)
    await sender.send('again', options)
    t.is(await text(next), 'again')
  })

  test(`a signal ends the wait of a ${how} sender, and that message only is not sent`, async (t) => {
    const receiver = await bound(t)
    const sender = unbound(t)
    const options = how === 'connected' ? undefined : { to: receiver.address }
    if (how === 'connected') sender.connect(receiver.address)
    const { sent, waiting } = await fill(sender, options)
    const controller = new AbortController()
    const aborted = sender.send('aborted', { ...options, signal: controller.signal })
    const after = sender.send('after', { ...options })
    const reason = new Error('enough')
    controller.abort(reason)
    t.is(await t.throwsAsync(aborted), reason)
    t.false(await isSettled(waiting))
    for (let index = 0; index <= sent; index++) t.is(await text(receiver), `fill ${index}`)
    t.is(await text(receiver), 'after')
    await Promise.all([waiting, after])
    t.throws(() => sender.send('x', { ...options, signal: controller.signal }), { is: reason })
    await t.throwsAsync(async () => {
      const { waiting: full } = await fill(sender, options)
      full.catch(() => {})
      await sender.send('x', { ...options, signal: AbortSignal.timeout(20) })
    }, { any: true })
  })
}

test('a receiver that is replaced while a sender waits: the sender is told, or its message is there', async (t) => {
  const path = place(t)
  const sender = unbound(t)
  for (let round = 0; round < 20; round++) {
    const first = await UnixDatagram.bind(path, { takeover: true })
    const { waiting } = await fill(sender, { to: path })
    const second = await UnixDatagram.bind(path, { takeover: true })
    drop(first)
    const arrived = await waiting.then(() => true, (error) => {
      t.regex(error.code, /ECONNREFUSED|ENOENT/)
      return false
    })
    if (arrived) t.regex(await text(second), /^fill/)
    await second.close()
  }
})

test('a destination that has no room when its name leads to another receiver does not make the sender spin', async (t) => {
  const [share] = await processorShares(t, `
    const path = ${JSON.stringify(place(t))}
    const sender = UnixDatagram.unbound()
    const first = await UnixDatagram.bind(path)
    const stuck = fill(sender, { to: path })
    // The name now leads to a second one, which is full as well; what watches the first would always say "room".
    const second = await UnixDatagram.bind(path, { takeover: true })
    const other = UnixDatagram.unbound()
    other.connect(path)
    fill(other)
    first.close()
    await measure()
  `)
  t.true(share < 0.1, `${share}`)
})

test('a destination whose name leads to another receiver by now gets what waited', async (t) => {
  const path = place(t)
  const sender = unbound(t)
  const first = await UnixDatagram.bind(path)
  const { waiting: stuck } = await fill(sender, { to: path }, 'stuck')
  const second = closing(t, await UnixDatagram.bind(path, { takeover: true }))
  const other = unbound(t)
  other.connect(path)
  const { sent, waiting } = await fill(other)
  drop(first)
  const got = []
  for (let index = 0; index < sent + 2; index++) got.push(await text(second))
  await Promise.all([stuck, waiting])
  t.is(got.filter((one) => one.startsWith('stuck')).length, 1)
  t.deepEqual(got.filter((one) => one.startsWith('fill')), Array.from({ length: sent + 1 }, (_, index) => `fill ${index}`))
})

test('a full buffer of its own does not make a sender spin', async (t) => {
  const [share] = await processorShares(t, `
    const [one, other] = [await UnixDatagram.bind('auto'), await UnixDatagram.bind('auto')]
    const sender = UnixDatagram.unbound({ sendBuffer: 4096 })
    for (let index = 0; index < 10; index++) {
      for (const { address } of [one, other]) sender.send(Buffer.alloc(3000), { to: address })
    }
    await measure()
  `)
  t.true(share < 0.1, `${share}`)
})

test('a sender whose own buffer is full waits for that, to any destination', async (t) => {
  const [one, other] = [await bound(t), await bound(t)]
  const sender = unbound(t, { sendBuffer: 4096 })
  const large = Buffer.alloc(3000, 'x')
  const sends = []
  for (let index = 0; index < 10; index++) sends.push(sender.send(large, { to: one.address }), sender.send(large, { to: other.address }))
  t.true(sends.some((wait) => wait !== undefined) || !(await isSettled(sender.flush())))
  const flushed = sender.flush()
  // Both read: what one of them leaves unread is in that buffer.
  await Promise.all([one, other].map(async (receiver) => {
    for (let index = 0; index < 10; index++) t.is((await receiver.receive()).data.length, 3000)
  }))
  await Promise.all([flushed, ...sends])
})

test('a pair whose buffer is full waits too, and is woken', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  const { sent, waiting } = await fill(left)
  t.true(sent > 11, 'a pair is limited by the buffer only')
  for (let index = 0; index <= sent; index++) t.is(await text(right), `fill ${index}`)
  await waiting
})

test('sends to a dead pair fail, and its sender goes on being told', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram)
  await right.close()
  await t.throwsAsync(async () => left.send('x'), { code: 'ECONNREFUSED' })
  await t.throwsAsync(async () => left.send('x'), { code: 'ENOTCONN' })
  await t.throwsAsync(left.receive({ signal: AbortSignal.timeout(20) }), { any: true })
})

test('closing lets what waits go out, and closed sockets settle what never can', async (t) => {
  const receiver = await bound(t)
  const sender = UnixDatagram.unbound()
  const { sent, waiting } = await fill(sender, { to: receiver.address })
  const closing = sender.close()
  t.false(await isSettled(closing))
  t.throws(() => sender.send('late', { to: receiver.address }), { code: 'ERR_SOCKET_CLOSED' })
  for (let index = 0; index <= sent; index++) t.is(await text(receiver), `fill ${index}`)
  await Promise.all([waiting, closing])
  await sender.closed
})

const destinations = {
  'a name': 'const [socket, options] = [UnixDatagram.unbound(), { to }]',
  'where it is connected': 'const [socket, options] = [UnixDatagram.unbound(), {}]; socket.connect(to)',
  'a buffer of its own': 'const [socket, options] = [UnixDatagram.unbound({ sendBuffer: 2048 }), { to }]',
  'a name, with more beside it': 'const [socket, options] = [UnixDatagram.unbound(), { to, fds: [0] }]',
}
for (const [where, open] of Object.entries(destinations)) {
  const program = (extra) => `
    import { UnixDatagram } from 'nearwire'
    const to = { abstract: process.argv.at(-1) }
    ${open}
    ${extra}
    for (let index = 0; index < 30; index++) socket.send(String(index), options)
  `

  test(`waiting sends keep the process alive until they are sent: to ${where}`, async (t) => {
    const receiver = await bound(t)
    const running = ran(t, program(''), { args: [receiver.address.abstract.toString()] })
    for (let index = 0; index < 30; index++) t.is(await text(receiver), `${index}`)
    t.is((await running).code, 0)
  })

  test(`unreferenced ones do not: to ${where}`, async (t) => {
    const receiver = await bound(t)
    const extras = ['socket.unref()', 'setTimeout(() => socket.unref(), 20)']
    for (const extra of extras) {
      // Nobody reads: it ends by itself, or not at all.
      t.is((await ran(t, program(extra), { args: [receiver.address.abstract.toString()] })).code, 0)
      while (receiver.options.SIOCINQ > 0) await receiver.receive()
    }
  })
}

test('where no descriptor is left to watch a full destination with, messages wait all the same', async (t) => {
  const { code, stdout, stderr } = await ran(t, `
    import { closeSync, openSync } from 'node:fs'
    import { UnixDatagram } from 'nearwire'
    const receiver = await UnixDatagram.bind('auto')
    const sender = UnixDatagram.unbound()
    const filler = []
    try { for (;;) filler.push(openSync('/dev/null')) } catch {}
    for (let index = 0; index < 30; index++) void sender.send(String(index), { to: receiver.address })
    const flushed = sender.flush()
    await new Promise((resolve) => { setTimeout(resolve, 10) })
    filler.forEach((fd) => closeSync(fd))
    for (let index = 0; index < 30; index++) {
      const { data } = await receiver.receive()
      if (data.toString() !== String(index)) throw new Error(data + ' in place of ' + index)
    }
    await flushed
    console.log('all')
  `, { command: ['sh', '-c', 'ulimit -n 256; exec "$@"', 'sh'] })
  t.is(code, 0, stderr)
  t.is(stdout, 'all\n')
})

test('what waits is what was given, whatever becomes of the memory and of the list of descriptors', async (t) => {
  const receiver = await bound(t)
  for (const [, sender, options] of senders(t, receiver)) {
    for (const beside of [{}, { signal: new AbortController().signal }, { fds: [0, 1] }]) {
      const { sent, waiting } = await fill(sender, options)
      const message = Buffer.from('given')
      const given = { ...options, ...beside, ...(beside.fds && { fds: [...beside.fds] }) }
      const sending = sender.send(message, given)
      message.fill('x')
      if (given.fds) given.fds.length = 0
      for (let index = 0; index <= sent; index++) await receiver.receive()
      const { data, fds } = await receiver.receive()
      t.is(data.toString(), 'given')
      t.is(fds.length, beside.fds?.length ?? 0)
      fds.forEach((fd) => closeSync(fd))
      await Promise.all([waiting, sending])
    }
    await sender.close()
  }
})

test('connecting elsewhere: what can still go where it was sent does, and its sender is told', async (t) => {
  const [one, other] = [await bound(t), await bound(t)]
  const sender = unbound(t)
  sender.connect(one.address)
  const { sent, waiting } = await fill(sender)
  await one.receive()
  // The room is not known here yet.
  sender.connect(other.address)
  await waiting
  for (let index = 1; index <= sent; index++) t.is(await text(one), `fill ${index}`)
})

test('connecting elsewhere: a failure that nobody was told of comes first, and never meets the next destination', async (t) => {
  const [one, other] = [await bound(t), await bound(t)]
  const sender = unbound(t)
  sender.connect(one.address)
  sender.send('first')
  await one.destroy()
  sender.send('second')
  t.throws(() => sender.connect(other.address), { code: 'ERR_UNSENT' })
  t.throws(() => sender.detach(), { code: 'ERR_UNSENT' })
  await t.throwsAsync(sender.flush(), { code: 'ECONNREFUSED' })
  sender.connect(other.address)
  for (const message of ['a', 'b']) sender.send(message)
  await sender.flush()
  t.deepEqual([await text(other), await text(other)], ['a', 'b'])
})

test('connecting elsewhere: a wait that was aborted is not one for the next destination', async (t) => {
  const [one, other] = [await bound(t), await bound(t)]
  const sender = unbound(t)
  sender.connect(one.address)
  const { sent, waiting } = await fill(sender)
  const controller = new AbortController()
  const aborted = t.throwsAsync(sender.send('x', { signal: controller.signal }), { any: true })
  controller.abort()
  await aborted
  for (let index = 0; index <= sent; index++) await one.receive()
  await waiting
  await fill(unbound(t), { to: one.address })
  await t.throwsAsync(sender.send('y', { signal: AbortSignal.timeout(10) }), { any: true })
  sender.connect(other.address)
  t.is(sender.send('there'), undefined)
  t.is(await text(other), 'there')
})

test('a failure belongs to its destination, though the socket sends elsewhere before anybody knows', async (t) => {
  for (const watcher of ['', '1']) {
    const { code, stdout, stderr } = await ran(t, `
      import { once } from 'node:events'
      import net from 'node:net'
      import { UnixDatagram } from 'nearwire'
      const [gone, other] = [await UnixDatagram.bind('auto'), await UnixDatagram.bind('auto')]
      const sender = UnixDatagram.unbound()
      const server = net.createServer().listen('\\0' + process.argv.at(-1))
      const client = net.connect('\\0' + process.argv.at(-1))
      const [served] = await once(server, 'connection')
      await once(client, 'connect')
      const to = gone.address
      // Leaves at once; the next is coalesced, and fails when the loop is about to wait.
      sender.send('first', { to })
      await gone.destroy()
      sender.send('second', { to })
      client.write('go')
      await once(served, 'data')
      for (const text of ['a', 'b', 'c']) sender.send(text, { to: other.address })
      setTimeout(() => process.exit(9), 5000).unref()
      const got = []
      for (let index = 0; index < 3; index++) got.push(String((await other.receive()).data))
      console.log(await sender.flush().catch((error) => error.code), got.join(), await sender.flush())
      process.exit()
    `, { args: [abstractName()], env: { NEARWIRE_WATCHER: watcher } })
    t.is(code, 0, stderr)
    t.is(stdout, 'ECONNREFUSED a,b,c undefined\n')
  }
})

test('a receiver in C that takes its time gets everything from many senders', async (t) => {
  const name = abstractName()
  const server = await startPeer(t, 'c', ['datagram', 'server', `@${name}`, 'pause', 'receive-messages:400x64'])
  await server.result('pause')
  const sender = unbound(t)
  const { numberedMessage } = await import('./helpers/peers.mjs')
  for (let index = 0; index < 400; index++) void sender.send(numberedMessage(64, index), { to: { abstract: name } })
  const flushed = sender.flush()
  t.false(await isSettled(flushed))
  server.resume()
  t.like(await server.result('receive-messages'), { messages: 400, intact: true })
  await flushed
  await until(() => true)
})

test('of two that are connected to each other only the memory of the sender limits what is under way', async (t) => {
  const [receiver, sender] = [await bound(t), await bound(t)]
  sender.connect(receiver.address)
  const { sent } = await fill(sender)
  for (let index = 0; index <= sent; index++) await receiver.receive()
  receiver.connect(sender.address)
  const { sent: more, waiting } = await fill(sender)
  t.true(more > 5 * sent, `${sent}, then ${more}`)
  for (let index = 0; index <= more; index++) t.is(await text(receiver), `fill ${index}`)
  await waiting
})
