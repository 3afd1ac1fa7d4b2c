// Processes among themselves, as the examples have it: by port id, one to many by group, and a port id that is taken.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { NetlinkClient, NetlinkSocket } from 'nearwire/netlink'
import { inNamespace, start } from './helpers/namespace.mjs'
import { numbers } from './helpers/rtnetlink.mjs'

const test = await inNamespace(import.meta.url)
const example = (name, ...args) => start(process.execPath, [fileURLToPath(new URL(`../examples/netlink-${name}.mjs`, import.meta.url)), ...args])

test('two processes by port id', async () => {
  const server = example('peer-server', '4711')
  await server.said('port id 4711')
  const { out, code } = await example('peer-client', '4711', 'hello', 'world').ended
  assert.deepEqual([out, code], ['hello -> HELLO\nworld -> WORLD\n', 0])
  server.child.kill('SIGTERM')
  assert.deepEqual((await server.ended).code, 0)
})

test('a port id taken by another process is named, and free again when that has ended', async () => {
  const first = example('peer-server', '4712')
  await first.said('port id 4712')
  const { error, code } = await example('peer-server', '4712').ended
  assert.equal(code, 1)
  assert.match(error, /EADDRINUSE.*port id 4712/)
  first.child.kill('SIGKILL')
  await first.ended
  const second = example('peer-server', '4712')
  await second.said('port id 4712')
  second.child.kill('SIGTERM')
  await second.ended
})

test('nobody there: ECONNREFUSED, with the port id', async () => {
  const { error, code } = await example('peer-client', '4713').ended
  assert.equal(code, 1)
  assert.match(error, /ECONNREFUSED.*4713/)
})

test('one to many by group: every listener hears it, others do not', async () => {
  const listeners = [example('group-listener', '5'), example('group-listener', '5'), example('group-listener', '6')]
  await Promise.all(listeners.map((listener) => listener.said('listening')))
  assert.equal((await example('group-sender', '5', 'to five').ended).out, 'told group 5\n')
  await example('group-sender', '6', 'to six').ended
  await Promise.all([listeners[0].said('to five'), listeners[1].said('to five'), listeners[2].said('to six')])
  assert.ok(!listeners[2].out.includes('to five'))
  for (const listener of listeners) listener.child.kill('SIGTERM')
  for (const listener of listeners) assert.equal((await listener.ended).code, 0)
})

test('what a server is sent that is no message costs it nothing', async (t) => {
  const server = example('peer-server', '4714')
  await server.said('port id 4714')
  const socket = await NetlinkSocket.open({ protocol: 'usersock' })
  t.after(() => socket.close())
  for (const bytes of ['x', '\0'.repeat(16), Buffer.from('ffffffff00000000000000000000000000', 'hex'), Buffer.alloc(5000, 1)]) {
    await socket.send(bytes, { to: 4714 })
  }
  assert.equal((await example('peer-client', '4714', 'still there').ended).out, 'still there -> STILL THERE\n')
  server.child.kill('SIGTERM')
  assert.equal((await server.ended).error.match(/from port id/g).length, 4)
})

test('many askers and one server, each with its own answers', async (t) => {
  const server = example('peer-server', '4715')
  await server.said('port id 4715')
  const clients = await Promise.all(numbers(10, () => NetlinkClient.open({ protocol: 'usersock', peer: 4715 })))
  t.after(() => Promise.all(clients.map((client) => client.close())))
  const answers = await Promise.all(clients.flatMap((client, i) => numbers(100, async (j) => {
    const [answer] = await client.request({ type: 16, payload: Buffer.from(`c${i}-${j}`) })
    return answer.payload.toString()
  })))
  assert.deepEqual(answers, numbers(1000, (n) => `C${Math.floor(n / 100)}-${n % 100}`))
  server.child.kill('SIGTERM')
  await server.ended
})

test('the interfaces, and what changes about them', async () => {
  assert.match((await example('links').ended).out, /^1: lo mtu 65536\n$/)
  const watching = example('links', '--watch')
  await watching.said('watching')
  execFileSync('ip', ['link', 'set', 'lo', 'mtu', '60000'])
  await watching.said('changed: lo')
  watching.child.kill('SIGTERM')
  assert.equal((await watching.ended).code, 0)
  execFileSync('ip', ['link', 'set', 'lo', 'mtu', '65536'])
})
