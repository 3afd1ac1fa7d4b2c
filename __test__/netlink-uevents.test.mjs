// Events of devices (NETLINK_KOBJECT_UEVENT): datagrams without a netlink header, in a network namespace of its own.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { NetlinkFormatError, NetlinkSocket } from 'nearwire/netlink'
import { inNamespace, otherNamespace, start } from './helpers/namespace.mjs'

const test = await inNamespace(import.meta.url)

const ip = (...words) => execFileSync('ip', words)
const veth = (name, peer) => ip('link', 'add', name, 'type', 'veth', 'peer', 'name', peer)

/** What an event says first, and its `NAME=value` lines. */
function parse({ data }) {
  assert.equal(data.at(-1), 0, 'ended by NUL')
  const [what, ...lines] = data.toString().slice(0, -1).split('\0')
  return { what, fields: Object.fromEntries(lines.map((line) => line.split(/=(.*)/s))) }
}

async function open(t, options = {}) {
  const socket = await NetlinkSocket.open({ protocol: 'kobject_uevent', groups: [1], ...options })
  t.after(() => socket.close())
  return socket
}

/** The next event of that device's own directory: a device has queues, which have events, too. */
async function eventOf(socket, name) {
  for (;;) {
    const datagram = await socket.receive({ signal: AbortSignal.timeout(10_000) })
    const event = parse(datagram)
    if (event.what.endsWith(`@/devices/virtual/net/${name}`)) return { datagram, ...event }
  }
}

test('a device that comes, goes and changes its name is announced as raw text, by the kernel, to group 1', async (t) => {
  const socket = await open(t)
  veth('come', 'peer')
  const { datagram, what, fields } = await eventOf(socket, 'come')
  assert.equal(what, 'add@/devices/virtual/net/come')
  assert.deepEqual([datagram.from, datagram.group, datagram.truncated, datagram.overrun], [0, 1, false, false])
  assert.equal(datagram.length, datagram.data.length)
  const { ACTION, DEVPATH, SUBSYSTEM, INTERFACE, SEQNUM, IFINDEX } = fields
  assert.deepEqual([ACTION, DEVPATH, SUBSYSTEM, INTERFACE], ['add', '/devices/virtual/net/come', 'net', 'come'])
  assert.match(SEQNUM, /^\d+$/)
  assert.match(IFINDEX, /^\d+$/)

  ip('link', 'set', 'come', 'name', 'go')
  const moved = await eventOf(socket, 'go')
  assert.deepEqual([moved.what, moved.fields.DEVPATH_OLD], ['move@/devices/virtual/net/go', '/devices/virtual/net/come'])
  ip('link', 'delete', 'go')
  assert.equal((await eventOf(socket, 'go')).what, 'remove@/devices/virtual/net/go')
})

test('it is no message: messages() says so instead of reading on', async (t) => {
  const socket = await open(t)
  veth('text', 'peer')
  const { datagram } = await eventOf(socket, 'text')
  assert.throws(() => [...datagram.messages()], NetlinkFormatError)
  ip('link', 'delete', 'text')
})

test('events of another namespace are heard there alone', async (t) => {
  const other = await otherNamespace(t)
  const [here, there] = [await open(t), await open(t, { namespace: other.path })]
  execFileSync('nsenter', [`--net=${other.path}`, 'ip', 'link', 'add', 'there', 'type', 'veth', 'peer', 'name', 'peer'])
  assert.equal((await eventOf(there, 'there')).what, 'add@/devices/virtual/net/there')
  veth('here', 'peer')
  for (;;) {
    const { what } = parse(await here.receive({ signal: AbortSignal.timeout(10_000) }))
    assert.doesNotMatch(what, /\/there\b/)
    if (what.endsWith('/net/here')) break
  }
  ip('link', 'delete', 'here')
})

test('a process with CAP_NET_ADMIN can say the same; its port id tells', async (t) => {
  const [socket, forger] = [await open(t), await open(t, { groups: [] })]
  forger.send('add@/devices/virtual/net/forged\0', { group: 1 })
  const { datagram } = await eventOf(socket, 'forged')
  assert.deepEqual([datagram.from, datagram.group], [forger.portId, 1])
})

test('a group that the protocol lacks is EINVAL', async (t) => {
  await assert.rejects(open(t, { groups: [33] }), (error) => error.code === 'EINVAL' && /protocol 15 has no group 33/.test(error.message))
})

test('the example prints them', async (t) => {
  const example = start(process.execPath, [fileURLToPath(new URL('../examples/uevents.mjs', import.meta.url))])
  t.after(() => example.child.kill())
  await example.said('listening')
  veth('shown', 'peer')
  await example.said('add@/devices/virtual/net/shown net shown\n')
  ip('link', 'delete', 'shown')
  await example.said('remove@/devices/virtual/net/shown net shown\n')
})
