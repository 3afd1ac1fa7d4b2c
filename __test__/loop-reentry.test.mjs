// JavaScript that calls back in from what the loop has just settled.
import test from 'ava'
import { UnixListener, UnixStream } from 'nearwire'

import { runScript } from './helpers/loop.mjs'

let names = 0
const name = () => `\0nearwire-reentry-${process.pid}-${names++}`

test('a reaction may read, write, close and connect at once', async (t) => {
  const listener = await UnixListener.listen(name())
  const steps = []
  const room = new Uint8Array(16)
  const served = listener.accept().then((server) => {
    steps.push('accepted')
    const next = listener.accept()
    return server.read(room).then((count) => {
      steps.push(`read ${count}`)
      return server.write('answer').then(() => {
        steps.push('answered')
        const closing = server.close()
        return next.then((other) => {
          steps.push('accepted again')
          return Promise.all([closing, other.close(), listener.close()])
        })
      })
    })
  })
  const client = await UnixStream.connect({ abstract: listener.address.abstract })
  await client.write('hi')
  const answer = new Uint8Array(16)
  const done = client.read(answer).then((count) => {
    t.is(count, 6)
    return UnixStream.connect({ abstract: listener.address.abstract }).then((other) => {
      client.close()
      return other.read(answer)
    })
  })
  t.is(await done, 0)
  await served
  t.deepEqual(steps, ['accepted', 'read 2', 'answered', 'accepted again'])
})

test('closing one stream in the reaction of another whose event came in the same batch', async (t) => {
  for (let round = 0; round < 200; round++) {
    const pairs = Array.from({ length: 8 }, () => UnixStream.pair())
    const outcomes = pairs.map(([left], index) => left.read(new Uint8Array(8)).then((count) => {
      // Whoever is first closes everybody, peers too.
      for (const stream of pairs.flat()) stream.close()
      return `read ${count} ${index}`
    }, (error) => error.code))
    // Straight into the kernel, all before the loop turns.
    for (const [, right] of pairs) right.write('x')
    const settled = await Promise.all(outcomes)
    t.true(settled[0].startsWith('read 1'))
    t.true(settled.every((outcome) => outcome === 'ERR_SOCKET_CLOSED' || outcome.startsWith('read ')))
    await Promise.all(pairs.flat().map((stream) => stream.closed))
  }
})

test('a slot that is given back and taken again within a batch confuses nobody', async (t) => {
  // In a process of its own, to count the descriptors before and after.
  const ended = await runScript(`
    import assert from 'node:assert/strict'
    import { readdirSync } from 'node:fs'
    import { UnixStream } from 'nearwire'
    const before = readdirSync('/proc/self/fd').length
    for (let round = 0; round < 300; round++) {
      const [left, right] = UnixStream.pair()
      const [other, otherPeer] = UnixStream.pair()
      const replaced = left.read(new Uint8Array(8)).then(async () => {
        await other.close()
        // Takes the slot of the other, for which a token is under way.
        const [fresh, freshPeer] = UnixStream.pair()
        const reading = fresh.read(new Uint8Array(8))
        const first = await Promise.race([reading, new Promise((resolve) => { setImmediate(resolve, 'nothing yet') })])
        assert.equal(first, 'nothing yet')
        await freshPeer.write('abc')
        assert.equal(await reading, 3)
        await Promise.all([fresh.close(), freshPeer.close()])
      })
      const gone = other.read(new Uint8Array(8)).then(() => 'read', (error) => error.code)
      right.write('x')
      otherPeer.write('y')
      await replaced
      await gone
      await Promise.all([left.close(), right.close(), otherPeer.close()])
    }
    assert.equal(readdirSync('/proc/self/fd').length, before)
  `)
  t.is(ended.code, 0, ended.stderr)
})

test('thousands of reactions that each wait again', async (t) => {
  const [left, right] = UnixStream.pair()
  const bounce = async (stream, count) => {
    const room = new Uint8Array(1)
    for (let round = 0; round < count; round++) {
      if (await stream.read(room) !== 1) t.fail('the end')
      await stream.write(room)
    }
  }
  await left.write(Uint8Array.of(1))
  await Promise.all([bounce(right, 10_000), bounce(left, 10_000)])
  await Promise.all([left.close(), right.close()])
  t.pass()
})

test('a data listener that closes its own stream, and one that closes another', async (t) => {
  const [left, right] = UnixStream.pair()
  const [second, secondPeer] = UnixStream.pair()
  const secondRead = second.read(new Uint8Array(1)).catch((error) => error.code)
  const duplex = left.toDuplex()
  duplex.on('data', () => {
    second.close()
    left.close()
  })
  const ended = new Promise((resolve) => { duplex.once('close', resolve) })
  await new Promise((resolve) => { setImmediate(resolve) })
  await right.write('x')
  await ended
  t.is(await secondRead, 'ERR_SOCKET_CLOSED')
  t.is(left.fd, -1)
  await Promise.all([right.close(), secondPeer.close()])
})

test('reads that are aborted in the reaction of the read before them', async (t) => {
  const [left, right] = UnixStream.pair()
  const abort = new AbortController()
  const first = left.read(new Uint8Array(1)).then(() => abort.abort(new Error('enough')))
  const second = left.read(new Uint8Array(1), { signal: abort.signal }).catch((error) => error.message)
  const third = left.read(new Uint8Array(4))
  await right.write('a')
  await first
  t.is(await second, 'enough')
  await right.write('bcd')
  t.is(await third, 3)
  await Promise.all([left.close(), right.close()])
})
