// One netlink socket: who it is, what it sends and to whom, what it receives, and what it says when something is lost.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { NetlinkClient, NetlinkFormatError, NetlinkSocket, NLM_F_ACK, NLM_F_REQUEST, NLMSG_DONE, SocketError, walkMessages } from 'nearwire/netlink'
import { inNamespace, otherNamespace, start } from './helpers/namespace.mjs'
import { addRoute, deleteRoute, everyLink, numbers, Link, routeIndex, RTM_NEWROUTE, RTNLGRP_IPV4_ROUTE } from './helpers/rtnetlink.mjs'

const test = await inNamespace(import.meta.url)

async function open(t, options = {}) {
  const socket = await NetlinkSocket.open({ protocol: 'usersock', ...options })
  t.after(() => socket.close())
  return socket
}
const client = async (t, options = {}) => {
  const opened = await NetlinkClient.open({ protocol: 'route', ...options })
  t.after(() => opened.close())
  return opened
}
const text = async (socket) => (await socket.receive()).data.toString()
const failure = (promise) => promise.then(() => assert.fail('nothing failed'), (error) => error)
const thrown = (call) => {
  try {
    call()
  } catch (error) {
    return error
  }
  return assert.fail('nothing was thrown')
}

test('a port id of one\'s own or of the kernel\'s choice; one that is taken is EADDRINUSE and says which', async (t) => {
  const mine = await open(t, { portId: 4242 })
  const [one, two] = [await open(t), await open(t)]
  assert.equal(mine.portId, 4242)
  assert.equal(new Set([mine.portId, one.portId, two.portId]).size, 3)
  assert.equal(mine.protocol, 2)
  const error = await failure(NetlinkSocket.open({ protocol: 'usersock', portId: 4242 }))
  assert.ok(error instanceof SocketError)
  assert.deepEqual([error.code, error.errno, error.syscall], ['EADDRINUSE', 98, 'bind'])
  assert.match(error.message, /port id 4242/)
  await mine.close()
  assert.equal((await open(t, { portId: 4242 })).portId, 4242)
  // Other protocols have port ids of their own.
  assert.equal((await open(t, { protocol: 'route', portId: 4242 })).portId, 4242)
  assert.equal((await open(t, { portId: 0xffff_ffff })).portId, 0xffff_ffff)
})

test('any protocol number; one that no module serves is EPROTONOSUPPORT and says so', async (t) => {
  assert.equal((await open(t, { protocol: 0 })).protocol, 0)
  for (const protocol of [17, 30, 31]) {
    const error = await failure(NetlinkSocket.open({ protocol }))
    assert.equal(error.code, 'EPROTONOSUPPORT')
    assert.match(error.message, new RegExp(`no module serves netlink protocol ${protocol}`))
  }
})

test('bytes as they are, a header built, several messages in one datagram', async (t) => {
  const [from, to] = [await open(t), await open(t)]
  const message = { type: 20, flags: 5, sequence: 7, portId: 9, payload: Buffer.from('hello') }
  from.send('text', { to: to.portId })
  from.send(Uint8Array.of(1), { to: to.portId })
  from.send(message, { to: to.portId })
  from.send([message, { type: 21, payload: Buffer.from('x') }], { to: to.portId })
  assert.equal(await text(to), 'text')
  assert.deepEqual([...(await to.receive()).data], [1])
  const third = await to.receive()
  assert.deepEqual([...third.messages()], [message])
  assert.deepEqual([third.from, third.group, third.truncated, third.overrun, third.length], [from.portId, 0, false, false, 21])
  assert.deepEqual([...(await to.receive()).messages()], [message, { type: 21, flags: 0, sequence: 0, portId: 0, payload: Buffer.from('x') }])
})

test('to a port, to a group, to both at once; the group in every datagram', async (t) => {
  const from = await open(t, { groups: [3] })
  const [port, member, both] = [await open(t), await open(t, { groups: [3, 5] }), await open(t, { groups: [3] })]
  assert.equal(from.send('to the port', { to: port.portId }), undefined)
  // The kernel says ECONNREFUSED of this, for the protocol has no kernel side; it is delivered all the same.
  assert.equal(from.send('to the group', { group: 3 }), undefined)
  assert.equal(from.send('to both', { to: port.portId, group: 3 }), undefined)
  const heard = async (socket) => {
    const { data, group, from: sender } = await socket.receive()
    assert.equal(sender, from.portId)
    return [data.toString(), group]
  }
  // The kernel marks both copies of what goes to both with the group.
  assert.deepEqual([await heard(port), await heard(port)], [['to the port', 0], ['to both', 3]])
  assert.deepEqual([await heard(member), await heard(member)], [['to the group', 3], ['to both', 3]])
  assert.deepEqual([await heard(both), await heard(both)], [['to the group', 3], ['to both', 3]])
  // A member of the group that is the port gets it once.
  from.send('once', { to: both.portId, group: 3 })
  from.send('then', { to: both.portId })
  assert.deepEqual([await text(both), await text(both)], ['once', 'then'])
})

test('an absent port is ECONNREFUSED with its number; a group named beside it has the datagram', async (t) => {
  const [from, member] = [await open(t), await open(t, { groups: [4] })]
  assert.match(thrown(() => from.send('x', { to: 99_999 })).message, /ECONNREFUSED.*port id 99999/)
  const error = thrown(() => from.send('y', { to: 99_999, group: 4 }))
  assert.deepEqual([error.code, error.syscall], ['ECONNREFUSED', 'sendto'])
  assert.match(error.message, /group 4 has it/)
  assert.equal(await text(member), 'y')
  assert.match(thrown(() => from.send('x')).message, /no kernel side/)
})

test('groups are joined and left, of any number', async (t) => {
  const socket = await open(t, { protocol: 'route', groups: [1, 36] })
  socket.join(7)
  socket.join(7)
  assert.deepEqual(socket.groups, [1, 7, 36])
  socket.leave(1)
  socket.leave(2)
  assert.deepEqual(socket.groups, [7, 36])
  for (const call of [() => socket.join(1000), () => socket.leave(1000)]) {
    const error = thrown(call)
    assert.equal(error.code, 'EINVAL')
    assert.match(error.message, /no group 1000/)
  }
  assert.equal((await failure(NetlinkSocket.open({ protocol: 'route', groups: [1000] }))).code, 'EINVAL')
})

test('who has left a group gets no more of it, but what was sent before', async (t) => {
  const [from, member] = [await open(t), await open(t, { groups: [2] })]
  from.send('before', { group: 2 })
  member.leave(2)
  from.send('after', { group: 2 })
  from.send('directly', { to: member.portId })
  assert.deepEqual([await text(member), await text(member)], ['before', 'directly'])
})

test('a full peer makes the sender wait, in order, and no other peer', async (t) => {
  const [from, full, other] = [await open(t), await open(t, { receiveBuffer: 4096 }), await open(t)]
  const waiting = []
  let sent = 0
  while (waiting.length < 3) {
    const wait = from.send(`${sent++}`, { to: full.portId })
    if (wait !== undefined) waiting.push(wait)
  }
  assert.equal(from.send('at once', { to: other.portId }), undefined)
  assert.equal(await text(other), 'at once')
  const heard = []
  while (heard.length < sent) heard.push(await text(full))
  assert.deepEqual(heard, numbers(sent, String))
  await Promise.all(waiting)
})

test('bytes that wait may be changed by their owner', async (t) => {
  const [from, full] = [await open(t), await open(t, { receiveBuffer: 4096 })]
  const bytes = Buffer.from('mine')
  let sent = 0
  let wait
  while (wait === undefined) {
    wait = from.send(bytes, { to: full.portId })
    sent++
  }
  bytes.fill(0)
  while (sent-- > 0) assert.equal(await text(full), 'mine')
  await wait
})

test('waiting for a full peer ends with the signal, with the peer, or with the socket', async (t) => {
  const from = await open(t)
  const fill = async () => {
    const peer = await open(t, { receiveBuffer: 4096 })
    let wait
    while (wait === undefined) wait = from.send('x', { to: peer.portId })
    wait.catch(() => {})
    return peer
  }
  const [one, two, three] = [await fill(), await fill(), await fill()]
  const reason = new Error('enough')
  const controller = new AbortController()
  const aborted = failure(from.send('x', { to: one.portId, signal: controller.signal }))
  controller.abort(reason)
  assert.equal(await aborted, reason)
  const gone = failure(from.send('x', { to: two.portId }))
  await two.close()
  assert.equal((await gone).code, 'ECONNREFUSED')
  const closed = failure(from.send('x', { to: three.portId }))
  await from.close()
  assert.equal((await closed).code, 'ERR_SOCKET_CLOSED')
})

test('a group gets a datagram once, however long the port beside it makes it wait', async (t) => {
  const [from, full, member] = [await open(t), await open(t, { receiveBuffer: 4096 }), await open(t, { groups: [6] })]
  let sent = 0
  while (from.send('x', { to: full.portId }) === undefined) sent++
  // The one that waits already comes as well.
  const wait = from.send('both', { to: full.portId, group: 6 })
  assert.ok(wait instanceof Promise)
  for (let i = 0; i <= sent; i++) assert.equal(await text(full), 'x')
  assert.equal(await text(full), 'both')
  await wait
  from.send('end', { group: 6 })
  assert.deepEqual([await text(member), await text(member)], ['both', 'end'])
})

test('more than the send buffer takes is EMSGSIZE with the limit; nothing at all is ENODATA', async (t) => {
  const [from, to] = [await open(t), await open(t)]
  const limit = from.memory().sendBuffer - 32
  const error = thrown(() => from.send(Buffer.alloc(limit + 1), { to: to.portId }))
  assert.equal(error.code, 'EMSGSIZE')
  assert.ok(error.message.includes(`${limit + 1} bytes`) && error.message.includes(`the ${limit} that`), error.message)
  assert.equal(thrown(() => from.send('', { to: to.portId })).code, 'ENODATA')
  from.send(Buffer.alloc(limit, 7), { to: to.portId })
  assert.equal((await to.receive()).data.length, limit)
})

test('a datagram of megabytes comes whole', async (t) => {
  const from = await open(t, { sendBuffer: 2 << 20 })
  const limit = from.memory().sendBuffer - 32
  if (limit < 1_500_000) return t.skip(`net.core.wmem_max allows ${limit} bytes only`)
  const to = await open(t)
  const bytes = Buffer.alloc(1_500_000, 'abc')
  from.send(bytes, { to: to.portId })
  from.send('small', { to: to.portId })
  const { data, truncated } = await to.receive()
  assert.ok(data.equals(bytes) && !truncated)
  assert.equal(await text(to), 'small')
})

test('what was received is never written again', async (t) => {
  const [from, to] = [await open(t), await open(t)]
  const kept = []
  for (let i = 0; i < 600; i++) {
    from.send(`${i}`, { to: to.portId })
    kept.push((await to.receive()).data)
  }
  assert.deepEqual(kept.map(String), numbers(600, String))
})

test('receives may overlap, and aborting one loses nothing of the others', async (t) => {
  const [from, to] = [await open(t), await open(t)]
  const controller = new AbortController()
  const waits = [to.receive(), to.receive({ signal: controller.signal }), to.receive()]
  const reason = new Error('enough')
  controller.abort(reason)
  for (const word of ['one', 'two']) from.send(word, { to: to.portId })
  assert.equal(await failure(waits[1]), reason)
  assert.deepEqual([(await waits[0]).data.toString(), (await waits[2]).data.toString()], ['one', 'two'])
  await assert.rejects(to.receive({ signal: AbortSignal.abort(reason) }), reason)
})

test('iteration can be left and gone on with; closing ends it', async (t) => {
  const [from, to] = [await open(t), await open(t)]
  for (const word of ['a', 'b', 'c']) from.send(word, { to: to.portId })
  const heard = []
  for await (const { data } of to) {
    heard.push(data.toString())
    if (heard.length === 2) break
  }
  const rest = (async () => {
    for await (const { data } of to) heard.push(data.toString())
  })()
  while (heard.length < 3) await new Promise(setImmediate)
  await to.close()
  await rest
  assert.deepEqual(heard, ['a', 'b', 'c'])
})

test('closing settles what waits; afterwards nothing works, and says so', async (t) => {
  const socket = await open(t)
  const waiting = failure(socket.receive())
  await socket.close()
  assert.equal((await waiting).code, 'ERR_SOCKET_CLOSED')
  assert.equal(socket.fd, -1)
  await socket.closed
  const calls = [
    () => socket.send('x'), () => socket.join(1), () => socket.leave(1), () => socket.portId, () => socket.groups,
    () => socket.memory(), () => socket.detach(), () => socket.attachFilter([{ code: 6 }]), () => socket.detachFilter(),
  ]
  for (const call of calls) assert.equal(thrown(call).code, 'ERR_SOCKET_CLOSED')
  assert.equal((await failure(socket.receive())).code, 'ERR_SOCKET_CLOSED')
})

test('a descriptor is given up and taken over, with nothing lost', async (t) => {
  const [from, first] = [await open(t), await open(t, { groups: [9] })]
  const { portId } = first
  from.send('a', { to: portId })
  from.send('b', { to: portId })
  assert.equal(await text(first), 'a')
  assert.equal(thrown(() => first.detach()).code, 'ERR_READ_AHEAD')
  assert.equal(await text(first), 'b')
  const second = NetlinkSocket.fromFd(first.detach())
  t.after(() => second.close())
  await first.closed
  from.send('c', { group: 9 })
  assert.deepEqual([second.portId, second.protocol, second.groups], [portId, 2, [9]])
  const { data, group } = await second.receive()
  assert.deepEqual([data.toString(), group], ['c', 9])
})

test('what is no netlink socket is refused and stays open', async () => {
  const fd = openSync('/dev/null', 'r')
  assert.equal(thrown(() => NetlinkSocket.fromFd(fd)).code, 'ENOTSOCK')
  closeSync(fd)
  assert.equal(thrown(() => NetlinkSocket.fromFd(fd)).code, 'EBADF')
})

test('await using closes', async (t) => {
  const socket = await NetlinkSocket.open({ protocol: 'usersock', portId: 555 })
  await socket[Symbol.asyncDispose]()
  assert.equal((await open(t, { portId: 555 })).portId, 555)
})

for (const [what, ends] of [['', false], ['.unref()', true]]) {
  test(`a socket that waits ${ends ? 'lets the process end once it is unreferenced' : 'keeps the process alive'}`, async () => {
    const script = `
      import { NetlinkSocket } from 'nearwire/netlink'
      const socket = await NetlinkSocket.open({ protocol: 'usersock' })
      socket${what}.receive().catch(() => {})
      console.log('waiting')
      setTimeout(() => console.log('turned'), 50).unref()`
    const child = start(process.execPath, ['--input-type=module', '-e', script], { cwd: new URL('..', import.meta.url) })
    await child.said(ends ? 'waiting' : 'turned')
    if (!ends) child.child.kill()
    assert.equal((await child.ended).code, ends ? 0 : null)
  })
}

/** Events until the buffer of `socket` has overrun: answers how many there were. */
async function overrun(routes, socket) {
  let count = 0
  while (socket.memory().drops === 0) await routes.request(addRoute(count++))
  return count
}

test('an overrun rejects once, then comes what had its place, and the socket goes on', async (t) => {
  const [routes, events] = [await client(t), await open(t, { protocol: 'route', groups: [RTNLGRP_IPV4_ROUTE], receiveBuffer: 0 })]
  const made = await overrun(routes, events)
  const error = await failure(events.receive())
  assert.deepEqual([error.code, error.errno, error.syscall], ['ENOBUFS', 105, 'recvmsg'])
  const kept = []
  for (let i = 0; i < made - events.memory().drops; i++) kept.push(await events.receive())
  assert.deepEqual(kept.map(({ data }) => routeIndex([...walkMessages(data)][0])), numbers(kept.length))
  assert.ok(kept.length > 0 && kept.every(({ overrun: lost }) => !lost))
  await routes.request(addRoute(70_000))
  assert.equal(routeIndex([...(await events.receive()).messages()][0]), 70_000)
  await routes.batch([...numbers(made, deleteRoute), deleteRoute(70_000)])
})

test('an overrun can be a mark instead, after which nothing is missing', async (t) => {
  const events = await open(t, { protocol: 'route', groups: [RTNLGRP_IPV4_ROUTE], receiveBuffer: 0, onOverrun: 'mark' })
  const routes = await client(t)
  const made = await overrun(routes, events)
  let heard = 0
  let mark
  for await (const datagram of events) {
    if (datagram.overrun) {
      mark = datagram
      break
    }
    heard++
  }
  assert.equal(heard, made - events.memory().drops)
  assert.deepEqual([mark.data.length, [...mark.messages()], mark.truncated], [0, [], false])
  // A second time, now with somebody waiting already.
  const waiting = events.receive()
  await routes.request(addRoute(70_000))
  const [after] = (await waiting).messages()
  assert.deepEqual([after.type, routeIndex(after)], [RTM_NEWROUTE, 70_000])
  await routes.batch([...numbers(made, deleteRoute), deleteRoute(70_000)])
})

test('the kernel is asked with bytes of one\'s own, and answers', async (t) => {
  const socket = await open(t, { protocol: 'route' })
  socket.send({ ...everyLink, payload: Link.encode({ index: 1 }), flags: NLM_F_REQUEST | NLM_F_ACK, sequence: 5 })
  const { from, data } = await socket.receive()
  const [answer] = walkMessages(data)
  assert.deepEqual([from, answer.sequence, answer.portId, Link.decode(answer.payload).name], [0, 5, socket.portId, 'lo'])
  const [ack] = (await socket.receive()).messages()
  assert.equal(ack.type, 2)
})

test('a namespace by name, by path and by descriptor; the process stays where it is', async (t) => {
  const other = await otherNamespace(t)
  const here = await open(t, { portId: 777 })
  execFileSync('ip', ['netns', 'attach', 'elsewhere', `${other.pid}`])
  t.after(() => execFileSync('ip', ['netns', 'delete', 'elsewhere']))
  const fd = openSync(other.path, 'r')
  t.after(() => closeSync(fd))
  for (const namespace of ['elsewhere', other.path, fd]) {
    // The port id is free there; and who has it there is not heard here.
    const there = await open(t, { namespace, portId: 777 })
    assert.equal(thrown(() => there.send('x', { to: here.portId + 1 })).code, 'ECONNREFUSED')
    await there.close()
  }
  assert.equal((await failure(NetlinkSocket.open({ protocol: 'usersock', portId: 777 }))).code, 'EADDRINUSE')
  assert.match((await failure(NetlinkSocket.open({ protocol: 0, namespace: 'nowhere' }))).message, /ENOENT.*"nowhere"/)
  assert.match((await failure(NetlinkSocket.open({ protocol: 0, namespace: '/dev/null' }))).message, /EINVAL.*not a network namespace/)
  assert.equal((await failure(NetlinkSocket.open({ protocol: 0, namespace: 99_999 }))).code, 'EBADF')
})

test('events of every namespace that has an id here, with that id', async (t) => {
  const other = await otherNamespace(t)
  execFileSync('ip', ['netns', 'attach', 'numbered', `${other.pid}`])
  t.after(() => execFileSync('ip', ['netns', 'delete', 'numbered']))
  execFileSync('ip', ['netns', 'set', 'numbered', '12'])
  const events = await open(t, { protocol: 'route', groups: [RTNLGRP_IPV4_ROUTE], listenAllNamespaces: true })
  const [here, there] = [await client(t), await client(t, { namespace: other.path })]
  await there.request(addRoute(1))
  assert.equal((await events.receive()).namespaceId, 12)
  await here.request(addRoute(1))
  assert.equal((await events.receive()).namespaceId, null)
  await here.request(deleteRoute(1))
})

test('a filter keeps out what it drops, from the first datagram on', async (t) => {
  // Keeps datagrams whose first byte, that of nlmsg_len, is 17: `ldb [0]; jeq #17, 0, 1; ret #-1; ret #0`.
  const program = [{ code: 0x30, k: 0 }, { code: 0x15, jt: 0, jf: 1, k: 17 }, { code: 6, k: 0xffff_ffff }, { code: 6, k: 0 }]
  const [from, to] = [await open(t), await open(t, { filter: program, groups: [8] })]
  const send = (length) => from.send({ type: 16, payload: Buffer.alloc(length) }, { group: 8 })
  send(2)
  send(1)
  assert.equal((await to.receive()).data.length, 17)
  to.detachFilter()
  send(2)
  assert.equal((await to.receive()).data.length, 18)
  to.attachFilter([{ code: 6, k: 3 }])
  send(2)
  assert.equal((await to.receive()).data.length, 3)
  to.detachFilter()
  assert.equal(thrown(() => to.detachFilter()).code, 'ENOENT')
  assert.match(thrown(() => to.attachFilter([{ code: 0x30, k: 0 }])).message, /EINVAL.*not a valid classic BPF program/)
  assert.equal((await failure(NetlinkSocket.open({ protocol: 0, filter: [{ code: 0xffff }] }))).code, 'EINVAL')
})

// Writes to one port id and one group as fast as it can: eight times what the filter drops, then what it keeps.
const FLOOD = `
import socket, sys
peer = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2)
peer.setblocking(False)
print('floods', flush=True)
while True:
    for data in [b'dropped'] * 8 + [b'kept']:
        try:
            peer.sendto(data, (4243, 1 << 7))
        except OSError:
            pass
`

test('a filter is there before the first datagram can be, however many are under way', async (t) => {
  const flood = start('python3', ['-Bc', FLOOD])
  t.after(() => flood.child.kill('SIGKILL'))
  await flood.said('floods')
  // Keeps what begins with a k: `ldb [0]; jeq #107, 0, 1; ret #-1; ret #0`.
  const filter = [{ code: 0x30, k: 0 }, { code: 0x15, jt: 0, jf: 1, k: 107 }, { code: 6, k: 0xffff_ffff }, { code: 6, k: 0 }]
  for (let round = 0; round < 200; round++) {
    const socket = await NetlinkSocket.open({ protocol: 'usersock', portId: 4243, groups: [8], filter, onOverrun: 'mark' })
    const { data } = await socket.receive()
    await socket.close()
    assert.equal(data.toString(), 'kept')
  }
})

test('options reach the kernel', async (t) => {
  const plain = await open(t, { packetInfo: false, groups: [3] })
  const from = await open(t)
  from.send('x', { group: 3 })
  assert.equal((await plain.receive()).group, 3)
  const sized = await open(t, { receiveBuffer: 50_000, sendBuffer: 60_000 })
  assert.deepEqual([sized.memory().receiveBuffer, sized.memory().sendBuffer], [100_000, 120_000])
  await open(t, { broadcastErrors: true, cappedAck: true })
  const refusal = async (options) => {
    const socket = await open(t, { protocol: 'route', ...options })
    socket.send({ type: RTM_NEWROUTE, flags: NLM_F_REQUEST, payload: Buffer.alloc(64) })
    const [error] = (await socket.receive()).messages()
    return error
  }
  assert.equal((await refusal({})).payload.length, 4 + 16 + 64)
  assert.equal((await refusal({ cappedAck: true })).payload.length, 4 + 16)
  // Strict checking refuses a dump request with a header field that no dump understands.
  const dump = async (options) => {
    const socket = await open(t, { protocol: 'route', ...options })
    socket.send({ ...everyLink, flags: 0x301, payload: Link.encode({ flags: 1 }) })
    const [answer] = (await socket.receive()).messages()
    return answer.type
  }
  assert.deepEqual([await dump({}), await dump({ strictChecking: true })], [16, NLMSG_DONE])
})

test('a datagram that is no messages says where, after those that are', async (t) => {
  const [from, to] = [await open(t), await open(t)]
  from.send(Buffer.from('10000000100000000000000000000000ff', 'hex'), { to: to.portId })
  const messages = (await to.receive()).messages()
  assert.equal(messages.next().value.type, 16)
  assert.throws(() => messages.next(), NetlinkFormatError)
})

test('bad arguments are named, with the value and what is allowed, before anything is done', async (t) => {
  const socket = await open(t)
  const cases = [
    [() => NetlinkSocket.open(), 'ERR_INVALID_ARG_TYPE', /options\.protocol/],
    [() => NetlinkSocket.open({ protocol: 'rout' }), 'ERR_INVALID_ARG_VALUE', /options\.protocol.*'route'/],
    [() => NetlinkSocket.open({ protocol: -1 }), 'ERR_OUT_OF_RANGE', /options\.protocol/],
    [() => NetlinkSocket.open({ protocol: 0, portId: 0 }), 'ERR_OUT_OF_RANGE', /options\.portId/],
    [() => NetlinkSocket.open({ protocol: 0, portId: 2 ** 32 }), 'ERR_OUT_OF_RANGE', /options\.portId/],
    [() => NetlinkSocket.open({ protocol: 0, groups: 1 }), 'ERR_INVALID_ARG_TYPE', /options\.groups/],
    [() => NetlinkSocket.open({ protocol: 0, groups: [1, 0] }), 'ERR_OUT_OF_RANGE', /options\.groups\[1\]/],
    [() => NetlinkSocket.open({ protocol: 0, groups: Array(2) }), 'ERR_INVALID_ARG_TYPE', /options\.groups\[0\]/],
    [() => NetlinkSocket.open({ protocol: 0, namespace: '' }), 'ERR_INVALID_ARG_VALUE', /options\.namespace/],
    [() => NetlinkSocket.open({ protocol: 0, namespace: {} }), 'ERR_INVALID_ARG_TYPE', /options\.namespace/],
    [() => NetlinkSocket.open({ protocol: 0, onOverrun: 'no' }), 'ERR_INVALID_ARG_VALUE', /options\.onOverrun/],
    [() => NetlinkSocket.open({ protocol: 0, receiveBuffer: 0.5 }), 'ERR_OUT_OF_RANGE', /options\.receiveBuffer/],
    [() => NetlinkSocket.open({ protocol: 0, strictChecking: 1 }), 'ERR_INVALID_ARG_TYPE', /options\.strictChecking/],
    [() => NetlinkSocket.open({ protocol: 0, filter: [{ code: 1e9 }] }), 'ERR_OUT_OF_RANGE', /options\.filter\[0\]\.code/],
    [() => NetlinkSocket.open({ protocol: 0, filter: [] }), 'ERR_OUT_OF_RANGE', /options\.filter\.length/],
    [() => NetlinkSocket.fromFd('1'), 'ERR_INVALID_ARG_TYPE', /fd/],
    [() => socket.send(5), 'ERR_INVALID_ARG_TYPE', /data/],
    [() => socket.send({ type: 1e9, payload: Buffer.alloc(0) }), 'ERR_OUT_OF_RANGE', /message\.type/],
    [() => socket.send('x', { to: -1 }), 'ERR_OUT_OF_RANGE', /options\.to/],
    [() => socket.send('x', { group: 33 }), 'ERR_OUT_OF_RANGE', /options\.group.*32/],
    [() => socket.send('x', { signal: 1 }), 'ERR_INVALID_ARG_TYPE', /options\.signal/],
    [() => socket.join(0), 'ERR_OUT_OF_RANGE', /group/],
    [() => socket.receive(null), 'ERR_INVALID_ARG_TYPE', /options must be an object/],
    [() => socket.receive(5), 'ERR_INVALID_ARG_TYPE', /options must be an object/],
    [() => socket.receive({ signal: 1 }), 'ERR_INVALID_ARG_TYPE', /options\.signal/],
  ]
  for (const [call, code, message] of cases) {
    const error = await failure((async () => call())())
    assert.equal(error.code, code, `${call}: ${error}`)
    assert.match(error.message, message)
  }
})
