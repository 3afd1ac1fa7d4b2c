// More than there is room for: nothing may be lost without a word, nothing may hang, and memory stays bounded.
import assert from 'node:assert/strict'
import { NetlinkClient, NetlinkSocket } from 'nearwire/netlink'
import { inNamespace } from './helpers/namespace.mjs'
import { addRoute, deleteRoute, everyRoute, numbers, Route, routeIndex, RTM_DELROUTE, RTM_NEWROUTE, RTNLGRP_IPV4_ROUTE } from './helpers/rtnetlink.mjs'

const test = await inNamespace(import.meta.url)
const STORM = 20_000
const MIB = 1024 * 1024

const openWith = (Kind) => async (t, options = {}) => {
  const opened = await Kind.open({ protocol: 'route', ...options })
  t.after(() => opened.close())
  return opened
}
const open = openWith(NetlinkClient)
const openSocket = openWith(NetlinkSocket)
const turn = () => new Promise(setImmediate)
const isOurs = ({ payload }) => Route.decode(payload).table === 254

/** What a run adds to the memory of the process at most, in bytes: what is garbage already does not count. */
async function memoryOf(run) {
  globalThis.gc()
  const { rss } = process.memoryUsage()
  let most = rss
  const watch = setInterval(() => { most = Math.max(most, process.memoryUsage().rss) }, 5)
  const value = await run()
  clearInterval(watch)
  return { value, added: Math.max(most, process.memoryUsage().rss) - rss }
}

for (const [receiveBuffer, name] of [[0, 'of the least size'], [undefined, 'of the usual size']]) {
  test(`twenty thousand events for a slow consumer, with a buffer ${name}: every one delivered or accounted for`, async (t) => {
    const events = await openSocket(t, { groups: [RTNLGRP_IPV4_ROUTE], onOverrun: 'mark', ...(receiveBuffer === undefined ? {} : { receiveBuffer }) })
    const client = await open(t)
    const known = new Set()
    let [heard, marks, ended] = [0, 0, false]
    const consume = async () => {
      for await (const datagram of events) {
        if (datagram.overrun) {
          marks++
          // What the gap hid is in the table, and nothing after the gap is missing.
          known.clear()
          for (const route of await client.dump(everyRoute).toArray()) if (isOurs(route)) known.add(routeIndex(route))
        }
        for (const message of datagram.messages()) {
          heard++
          if (message.type === RTM_NEWROUTE) known.add(routeIndex(message))
          if (message.type === RTM_DELROUTE) known.delete(routeIndex(message))
          if (routeIndex(message) === STORM) ended = true
        }
        if (ended) return
        await turn()
      }
    }
    const consuming = consume()
    let made = 0
    const { added } = await memoryOf(async () => {
      for (let from = 0; from < STORM; from += 500) {
        const some = numbers(500, (index) => addRoute(from + index))
        await client.batch(some)
        await client.batch(numbers(250, (index) => deleteRoute(from + index)))
        made += 750
        // A slow consumer, but one that has its turn.
        await turn()
      }
      // The last word is heard once there is room for it.
      while (!ended) {
        await client.request(addRoute(STORM))
        await client.request(deleteRoute(STORM))
        made += 2
        for (let i = 0; i < 20 && !ended; i++) await turn()
      }
      await consuming
    })
    const { drops } = events.memory()
    // One may have come behind the last that was looked at.
    assert.ok(made - heard - drops <= 2 && made - heard - drops >= 0, `${made} made, ${heard} heard, ${drops} dropped`)
    assert.ok(drops > 0 && marks > 0, `${drops} dropped, ${marks} marks`)
    known.delete(STORM)
    const table = (await client.dump(everyRoute).toArray()).filter(isOurs).map(routeIndex).sort((a, b) => a - b)
    assert.deepEqual([...known].sort((a, b) => a - b), table)
    assert.ok(added < 150 * MIB, `${added / MIB} MiB`)
    await client.batch(table.map(deleteRoute), { acknowledge: 'last' })
  })
}

test('a hundred lists at once, of a long table, in lock-step and each at its own pace', async (t) => {
  const client = await open(t)
  await client.batch(numbers(STORM, addRoute), { acknowledge: 'last' })
  const { added } = await memoryOf(async () => {
    const counts = await Promise.all(numbers(100, async (index) => {
      let count = 0
      for await (const message of client.dump(everyRoute)) {
        if (message.payload[4] === 254 && ++count % 5000 === 0 && index % 2 === 0) await turn()
      }
      return count
    }))
    assert.deepEqual(counts, numbers(100, () => STORM))
    const iterators = numbers(100, () => client.dump(everyRoute).batches())
    const totals = numbers(100, () => 0)
    for (let going = true; going;) {
      const results = await Promise.all(iterators.map((iterator) => iterator.next()))
      going = false
      results.forEach(({ done, value }, index) => {
        if (done === true) return
        going = true
        for (const { payload } of value) if (payload[4] === 254) totals[index]++
      })
    }
    assert.deepEqual(totals, numbers(100, () => STORM))
  })
  assert.ok(added < 300 * MIB, `${added / MIB} MiB`)
  await client.batch(numbers(STORM, deleteRoute), { acknowledge: 'last' })
})

test('twenty thousand requests at once, to the kernel', async (t) => {
  for (const options of [{}, { receiveBuffer: 0, sendBuffer: 0 }]) {
    const client = await open(t, options)
    const { added } = await memoryOf(() => Promise.all(numbers(STORM, (index) => client.request(addRoute(index)))))
    assert.ok(added < 150 * MIB, `${added / MIB} MiB`)
    assert.equal((await client.dump(everyRoute).toArray()).filter(isOurs).length, STORM)
    const outcomes = await Promise.allSettled(numbers(STORM, (index) => client.request(addRoute(index))))
    assert.ok(outcomes.every(({ reason }) => reason?.code === 'EEXIST'))
    await Promise.all(numbers(STORM, (index) => client.request(deleteRoute(index))))
  }
})

test('twenty thousand requests at once, to a process that takes its time', async (t) => {
  const server = await openSocket(t, { protocol: 'usersock' })
  let most = 0
  ;(async () => {
    let held = []
    for await (const datagram of server) {
      for (const request of datagram.messages()) held.push({ request, to: datagram.from })
      most = Math.max(most, held.length)
      if (held.length < 20) continue
      for (const { request, to } of held.toReversed()) await server.send(request, { to })
      held = []
      await turn()
    }
  })()
  const client = await open(t, { protocol: 'usersock', peer: server.portId })
  const { value, added } = await memoryOf(() => Promise.all(numbers(STORM, async (index) => {
    const [answer] = await client.request({ type: 16, payload: Buffer.from(`${index}`) }, { timeout: 60_000 })
    return Number(answer.payload)
  })))
  assert.deepEqual(value, numbers(STORM))
  assert.ok(most <= 256, `${most} in flight`)
  assert.ok(added < 150 * MIB, `${added / MIB} MiB`)
})

test('twenty thousand requests that nobody answers: all settle', async (t) => {
  const deaf = await openSocket(t, { protocol: 'usersock' })
  const client = await open(t, { protocol: 'usersock', peer: deaf.portId })
  const outcomes = await Promise.allSettled(numbers(STORM, () => client.request({ type: 16, payload: Buffer.from('x') }, { timeout: 200 })))
  assert.ok(outcomes.every(({ reason }) => reason?.code === 'ETIMEDOUT'))
  const closing = Promise.allSettled(numbers(STORM, () => client.request({ type: 16, payload: Buffer.from('x') })))
  await client.close()
  assert.ok((await closing).every(({ reason }) => reason?.code === 'ERR_SOCKET_CLOSED'))
})

test('batches, lists and requests at once on one client with the least buffers', async (t) => {
  const client = await open(t, { receiveBuffer: 0, sendBuffer: 0 })
  const some = (from) => numbers(1000, (index) => addRoute(from + index))
  await Promise.all([
    client.batch(some(0)),
    client.batch(some(1000), { acknowledge: 'last' }),
    ...some(2000).map((message) => client.request(message)),
    ...numbers(20, () => client.dump(everyRoute).toArray()),
  ])
  assert.equal((await client.dump(everyRoute).toArray()).filter(isOurs).length, 3000)
  await client.batch(numbers(3000, deleteRoute))
})

test('a process that floods the client with what it never asked for costs it nothing but patience', async (t) => {
  const flooder = await openSocket(t, { protocol: 'usersock' })
  const client = await open(t, { protocol: 'usersock', peer: flooder.portId })
  const stranger = await openSocket(t, { protocol: 'usersock' })
  for (let i = 0; i < 3; i++) {
    for (const socket of [flooder, stranger]) {
      for (let wait; wait === undefined;) {
        wait = socket.send({ type: 16, sequence: 0xffff, payload: Buffer.alloc(100) }, { to: client.portId })
        wait?.catch(() => {})
      }
    }
    const asking = client.request({ type: 16, payload: Buffer.from('x') })
    const datagram = await flooder.receive()
    const [request] = datagram.messages()
    await flooder.send(request, { to: datagram.from })
    assert.equal((await asking)[0].payload.toString(), 'x')
  }
  assert.ok(client.discarded > 0)
})
