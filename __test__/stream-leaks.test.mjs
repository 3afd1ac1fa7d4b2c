// Nothing leaks: a hundred thousand sockets, aborts, loops that are left, and as many descriptors and as much memory as before.
import test from 'ava'
import { abstractName, ran } from './helpers/sockets.mjs'

const setUp = () => `
  import { readdirSync } from 'node:fs'
  import { UnixListener, UnixStream } from 'nearwire'
  const abstract = ${JSON.stringify(abstractName())}
  const turn = () => new Promise((resolve) => { setImmediate(resolve) })
  const descriptors = () => readdirSync('/proc/self/fd').length
  async function settled() {
    for (let round = 0; round < 6; round++) {
      gc()
      await turn()
    }
    const { rss, heapUsed, external } = process.memoryUsage()
    return { rss, heap: heapUsed, native: external, descriptors: descriptors() }
  }
  // The first rounds fill pools and caches, V8's among them (35 MB for what goes through Node's streams); what comes after
  // must add nothing.
  async function measure(warm, rounds, work) {
    for (let round = 0; round < warm; round++) await work(round)
    const before = await settled()
    for (let round = 0; round < rounds; round++) await work(round)
    const after = await settled()
    console.log(JSON.stringify(Object.fromEntries(Object.keys(before).map((key) => [key, after[key] - before[key]]))))
  }
`

async function grows(t, work, { warm = 2000, rounds }) {
  const { code, stdout, stderr } = await ran(t, `${setUp()}\n${work}\nawait measure(${warm}, ${rounds}, work)\nprocess.exit()`, {
    execArgv: ['--expose-gc'],
  })
  t.is(code, 0, stderr)
  const grown = JSON.parse(stdout)
  t.is(grown.descriptors, 0)
  t.true(grown.heap < 2e6, `the heap grew by ${grown.heap} bytes`)
  t.true(grown.native < 4e6, `buffers grew by ${grown.native} bytes`)
  // A page a socket would be 200 MB.
  t.true(grown.rss < 40e6, `memory grew by ${grown.rss} bytes`)
}

test('fifty thousand pairs, used and closed', async (t) => {
  await grows(t, `
    const room = Buffer.alloc(16)
    async function work() {
      const [left, right] = UnixStream.pair()
      await left.write('x')
      await right.read(room)
      await left.close()
      await right.close()
      await turnNow()
    }
    let count = 0
    const turnNow = () => (++count % 100 === 0 ? turn() : undefined)
  `, { rounds: 50_000 })
})

test('fifty thousand connections, accepted and closed from either side', async (t) => {
  await grows(t, `
    const listener = await UnixListener.listen({ abstract })
    const address = listener.address
    async function work(round) {
      const [client, server] = await Promise.all([UnixStream.connect(address), listener.accept()])
      const [first, second] = round % 2 === 0 ? [client, server] : [server, client]
      const ending = second.read(Buffer.alloc(1))
      await first.close()
      await ending
      await second.close()
    }
  `, { rounds: 50_000 })
})

test('twenty thousand aborts: of connect, accept, read and write', async (t) => {
  await grows(t, `
    const listener = await UnixListener.listen({ abstract })
    const full = await UnixListener.listen({ abstract: abstract + 'full' }, { backlog: 0 })
    const filler = await UnixStream.connect(full.address)
    const [left, right] = UnixStream.pair()
    const writing = left.write(Buffer.alloc(4e6))
    writing.catch(() => {})
    const forever = new AbortController().signal
    async function work(round) {
      const controller = new AbortController()
      const { signal } = controller
      const waiting = [
        listener.accept({ signal }), left.read(Buffer.alloc(8), { signal }), left.write('x', { signal }),
        UnixStream.connect(full.address, { signal }),
      ]
      controller.abort()
      for (const { status } of await Promise.allSettled(waiting)) if (status !== 'rejected') throw new Error('not aborted')
      // A signal that outlives everything must not gather listeners.
      const [one, other] = UnixStream.pair()
      const reading = one.read(Buffer.alloc(1), { signal: forever })
      await other.write('x', { signal: forever })
      await reading
      await one.close()
      await other.close()
    }
  `, { warm: 500, rounds: 5000 })
})

test('twenty thousand loops that are left, and iterators that are returned', async (t) => {
  await grows(t, `
    const listener = await UnixListener.listen({ abstract })
    const [left, right] = UnixStream.pair()
    const sender = left.framed()
    const framed = right.framed()
    const [chunks, source] = UnixStream.pair()
    async function work(round) {
      sender.send('one')
      sender.send('two')
      for await (const message of framed) break
      for await (const batch of framed.batches()) break
      await source.write('x')
      for await (const chunk of chunks) break
      for (const iterable of [framed, framed.batches(), chunks, listener]) {
        const iterator = iterable[Symbol.asyncIterator]()
        const waiting = iterator.next()
        await iterator.return()
        await waiting
      }
    }
  `, { warm: 500, rounds: 5000 })
})

test('framed streams, duplexes and web streams, used to their end', async (t) => {
  await grows(t, `
    async function work(round) {
      const [left, right] = UnixStream.pair()
      const sender = left.framed()
      const duplex = right.toDuplex()
      const got = new Promise((resolve) => { duplex.once('data', resolve) })
      sender.send('hello')
      await got
      const ended = new Promise((resolve) => { duplex.once('close', resolve) })
      await sender.close()
      await ended
      const [one, other] = UnixStream.pair()
      const writer = one.writable.getWriter()
      const reader = other.readable.getReader()
      await writer.write(Buffer.from('x'))
      await reader.read()
      await writer.close()
      await reader.read()
      await one.close()
      await other.close()
    }
  `, { warm: 5000, rounds: 5000 })
})

test('framed streams that wait do not hold on to the memory that others fill', async (t) => {
  const { code, stdout, stderr } = await ran(t, `${setUp()}
    const streams = Array.from({ length: 200 }, () => UnixStream.pair())
    const [source, sink] = UnixStream.pair()
    const filler = Buffer.alloc(100_000)
    const before = await settled()
    for (const [left, right] of streams) {
      left.framed().send('x')
      const iterator = right.framed()[Symbol.asyncIterator]()
      await iterator.next()
      void iterator.next()
      // Reads a piece of memory full, so that the next stream begins with another.
      for (let count = 0; count < 12; count++) {
        await source.write(filler)
        for await (const chunk of sink) break
      }
    }
    const after = await settled()
    console.log(after.native - before.native)
    process.exit()
  `, { execArgv: ['--expose-gc'] })
  t.is(code, 0, stderr)
  t.true(Number(stdout) < 20e6, `${stdout} bytes for two hundred idle streams`)
})

test('failures: five thousand each of refused, missing, wrong descriptors, taken names', async (t) => {
  await grows(t, `
    const listener = await UnixListener.listen({ abstract })
    async function work() {
      for (const make of [
        () => UnixStream.connect({ abstract: abstract + 'x' }), () => UnixStream.connect('/nowhere/socket'),
        () => UnixStream.fromFd(0x7ffffff), () => UnixListener.fromFd(listener.fd + 1000),
        () => UnixListener.listen({ abstract }), () => UnixListener.listen('/nowhere/socket'),
        () => UnixListener.listen({ abstract: abstract + 'y' }, { backlog: -1 }),
      ]) {
        try { await make() } catch { continue }
        throw new Error('no failure')
      }
    }
  `, { warm: 300, rounds: 5000 })
})
