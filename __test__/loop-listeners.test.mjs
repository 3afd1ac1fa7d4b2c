// Whose code runs where: errors that listeners throw, and the context of whoever asked.
import { AsyncLocalStorage } from 'node:async_hooks'

import test from 'ava'
import { UnixListener, UnixStream } from 'nearwire'

import { runScript } from './helpers/loop.mjs'

test('a listener that throws is an uncaughtException, and the other sockets still get their events', async (t) => {
  const ended = await runScript(`
    import { UnixStream } from 'nearwire'
    const uncaught = []
    process.on('uncaughtException', (error) => uncaught.push(error.message))
    const pairs = Array.from({ length: 10 }, () => UnixStream.pair())
    const got = []
    const throwing = (left, index) => left.toDuplex().on('data', (data) => {
      got.push(index + ':' + data)
      throw new Error('thrown by ' + index)
    })
    const reading = pairs.map(async ([left], index) => {
      if (index % 2 === 0) return throwing(left, index)
      got.push(index + ':' + await left.read(new Uint8Array(8)))
    })
    await new Promise((resolve) => { setImmediate(resolve) })
    for (const [, right] of pairs) right.write('one')
    while (got.length < 10 || uncaught.length < 5) await new Promise((resolve) => { setImmediate(resolve) })
    // And the ones that threw are told of what comes next.
    for (const [, right] of pairs) right.write('two')
    while (got.length < 15 || uncaught.length < 10) await new Promise((resolve) => { setImmediate(resolve) })
    console.log(JSON.stringify({ got: got.sort(), uncaught: uncaught.sort() }))
    process.exit(0)
  `)
  t.is(ended.code, 0, ended.stderr)
  const evens = [0, 2, 4, 6, 8]
  t.deepEqual(JSON.parse(ended.stdout), {
    got: [...evens.flatMap((index) => [`${index}:one`, `${index}:two`]), ...[1, 3, 5, 7, 9].map((index) => `${index}:3`)].sort(),
    uncaught: evens.flatMap((index) => [`thrown by ${index}`, `thrown by ${index}`]),
  })
})

test('a listener that throws with nobody to catch it ends the process with code 1 and the trace', async (t) => {
  const ended = await runScript(`
    import { UnixStream } from 'nearwire'
    const [left, right] = UnixStream.pair()
    left.toDuplex().on('data', function listener() { throw new Error('nobody catches this') })
    setImmediate(() => right.write('now'))
  `)
  t.is(ended.code, 1)
  t.regex(ended.stderr, /nobody catches this[^]*listener/)
})

test('AsyncLocalStorage is kept across every await', async (t) => {
  const storage = new AsyncLocalStorage()
  const listener = await UnixListener.listen(`\0nearwire-storage-${process.pid}`)
  const inside = (value, run) => storage.run(value, async () => {
    const outcome = await run()
    return [storage.getStore(), outcome]
  })
  const accepting = inside('accepting', () => listener.accept())
  const [connectingStore, client] = await inside('connecting', () => UnixStream.connect({ abstract: listener.address.abstract }))
  const [acceptingStore, server] = await accepting
  t.is(connectingStore, 'connecting')
  t.is(acceptingStore, 'accepting')

  const readings = [1, 2, 3].map((value) => inside(value, () => server.read(new Uint8Array(1))))
  await new Promise((resolve) => { setImmediate(resolve) })
  await client.write('abc')
  t.deepEqual(await Promise.all(readings), [[1, 1], [2, 1], [3, 1]])

  const writing = inside('writing', () => client.write(new Uint8Array(1024 * 1024)))
  const iterating = inside('iterating', async () => {
    let total = 0
    for await (const chunk of server) {
      if (storage.getStore() !== 'iterating') t.fail(`within the iteration: ${storage.getStore()}`)
      total += chunk.length
      if (total === 1024 * 1024) return total
    }
  })
  t.deepEqual(await writing, ['writing', undefined])
  t.deepEqual(await iterating, ['iterating', 1024 * 1024])

  const [flushingStore] = await inside('flushing', () => {
    const framed = client.framed()
    framed.send('x')
    return framed.flush()
  })
  t.is(flushingStore, 'flushing')
  await Promise.all([client.close(), server.close(), listener.close()])
})
