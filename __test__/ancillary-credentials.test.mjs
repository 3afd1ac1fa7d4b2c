// Credentials, pidfds, labels: who sent a message, as the kernel tells it, and whether a sender may choose.
import test from 'ava'
import { closeSync, readFileSync } from 'node:fs'
import { UnixDatagram, UnixListener, UnixSeqpacket, UnixSeqpacketListener, UnixStream } from 'nearwire'
import { bound, closesOnExec, pairOf, seqpackets, text, unbound } from './helpers/messages.mjs'
import { peers, startPeer } from './helpers/peers.mjs'
import { closing, place, ran } from './helpers/sockets.mjs'

const own = { pid: process.pid, uid: process.geteuid(), gid: process.getegid() }
const isRoot = own.uid === 0

const types = [
  ['stream', UnixStream, (socket, data, credentials) => socket.sendMessage({ data, credentials }), (socket) => socket.receiveMessage()],
  ['datagram', UnixDatagram, (socket, data, credentials) => socket.send(data, { credentials }), (socket) => socket.receive()],
  ['seqpacket', UnixSeqpacket, (socket, data, credentials) => socket.send(data, { credentials }), (socket) => socket.receive()],
]

for (const [type, Class, send, receive] of types) {
  test(`${type}: credentials come with every message where they were asked for, and not elsewhere`, async (t) => {
    const [left, right] = pairOf(t, Class, { passCredentials: true })
    await send(left, 'implicit')
    t.deepEqual((await receive(right)).credentials, own)
    await send(left, 'own', true)
    t.deepEqual((await receive(right)).credentials, own)
    const [plain, other] = pairOf(t, Class)
    await send(plain, 'own', true)
    t.is((await receive(other)).credentials, null)
  })

  test(`${type}: credentials of others need a privilege`, async (t) => {
    if (isRoot) {
      const [left, right] = pairOf(t, Class, { passCredentials: true })
      const chosen = { pid: 1, uid: 1234, gid: 4321 }
      await send(left, 'chosen', chosen)
      t.deepEqual((await receive(right)).credentials, chosen)
    } else {
      t.log('skipped: choosing credentials needs root')
    }
    const { stdout, stderr } = await ran(t, `
      import { UnixDatagram, UnixSeqpacket, UnixStream } from 'nearwire'
      const Class = { stream: UnixStream, datagram: UnixDatagram, seqpacket: UnixSeqpacket }.${type}
      if (process.getuid() === 0) { process.setgroups([]); process.setgid(65534); process.setuid(65534) }
      const [left, right] = Class.pair({ passCredentials: true })
      const credentials = { pid: process.pid, uid: 0, gid: 0 }
      try {
        await (left.sendMessage ? left.sendMessage({ data: 'x', credentials }) : left.send('x', { credentials }))
        console.log('sent')
      } catch (error) { console.log(error.code, error.message) }
      const message = { data: 'own', credentials: true }
      await (left.sendMessage ? left.sendMessage(message) : left.send('own', message))
      const received = await (right.receiveMessage ? right.receiveMessage() : right.receive())
      console.log(received.data.toString(), received.credentials.uid === process.getuid())
      process.exit()
    `)
    t.regex(stdout, /^EPERM .*privileged[^\n]*\nown true\n$/, stderr)
  })

  for (const peer of peers) {
    test(`${type}: credentials to and from a ${peer} program`, async (t) => {
      const path = place(t)
      let socket
      let program
      const args = ['send:implicit', 'send-credentials:self:explicit', 'receive']
      if (type === 'datagram') {
        socket = closing(t, await UnixDatagram.bind(path, { passCredentials: true }))
        program = await startPeer(t, peer, [type, 'client', path, `--bind=${path}.client`, '--pass-credentials', ...args])
        socket.connect(`${path}.client`)
      } else {
        const Listener = type === 'stream' ? UnixListener : UnixSeqpacketListener
        const listener = closing(t, await Listener.listen(path, { passCredentials: true }))
        program = await startPeer(t, peer, [type, 'client', path, '--pass-credentials', ...args])
        socket = closing(t, await listener.accept())
      }
      let seen = ''
      while (seen.length < 'implicitexplicit'.length) {
        const { data, credentials } = await receive(socket)
        seen += data.toString()
        t.deepEqual(credentials, { ...own, pid: program.process.pid })
      }
      await send(socket, 'mine', true)
      const received = await program.result('receive')
      t.deepEqual(received.credentials, own)
    })
  }
}

test('passCredentials before connecting: a socket without a name gets an abstract one', async (t) => {
  const receiver = await bound(t)
  const sender = unbound(t, { passCredentials: true })
  t.deepEqual(sender.address, { unnamed: true })
  await sender.send('x', { to: receiver.address })
  const { from } = await receiver.receive()
  t.regex(from.abstract.toString(), /^[0-9a-f]{5}$/)
  await receiver.send('answer', { to: from })
  t.deepEqual((await sender.receive()).credentials, own)
})

test('accepted sockets inherit, the connecting side asks for itself', async (t) => {
  const { client, server } = await seqpackets(t, { passCredentials: true }, {})
  await client.send('x')
  t.deepEqual((await server.receive()).credentials, own)
  await server.send('y')
  t.is((await client.receive()).credentials, null)
  const asking = await seqpackets(t, {}, { passCredentials: true })
  await asking.server.send('y')
  t.deepEqual((await asking.client.receive()).credentials, own)
  const listener = closing(t, await UnixListener.listen(place(t), { passCredentials: true }))
  const [stream, accepted] = await Promise.all([UnixStream.connect(listener.address, { passCredentials: true }), listener.accept()])
  closing(t, stream)
  closing(t, accepted)
  await stream.write('x')
  t.deepEqual((await accepted.receiveMessage()).credentials, own)
  await accepted.write('x')
  t.deepEqual((await stream.receiveMessage()).credentials, own)
})

test('a pidfd of the sender comes with every message, is the caller\'s and is closed on exec', async (t) => {
  let pair
  try {
    pair = pairOf(t, UnixDatagram, { passPidfd: true })
  } catch (error) {
    t.is(error.code, 'ENOPROTOOPT')
    t.log(`skipped: ${error.message}`)
    return
  }
  const [left, right] = pair
  for (let index = 0; index < 3; index++) left.send(`${index}`)
  await left.flush()
  for await (const { pidfd, data } of right) {
    t.true(Number.isInteger(pidfd))
    t.true(closesOnExec(pidfd))
    t.regex(readFileSync(`/proc/self/fdinfo/${pidfd}`, 'utf8'), new RegExp(`^Pid:\\s+${process.pid}$`, 'm'))
    closeSync(pidfd)
    if (data.toString() === '2') break
  }
  const receiver = await bound(t, undefined, { passPidfd: true })
  const program = await startPeer(t, 'c', ['datagram', 'client', `@${receiver.address.abstract}`, 'send:from c', 'pause'])
  const { pidfd } = await receiver.receive()
  t.regex(readFileSync(`/proc/self/fdinfo/${pidfd}`, 'utf8'), new RegExp(`^Pid:\\s+${program.process.pid}$`, 'm'))
  closeSync(pidfd)
})

test('security labels: a text where a module has them, null elsewhere', async (t) => {
  const [left, right] = pairOf(t, UnixDatagram, { passSecurity: true })
  await left.send('x')
  const { securityLabel } = await right.receive()
  if (securityLabel === null) t.log('no security module labels sockets here')
  else t.is(typeof securityLabel, 'string')
  t.is(await text({ receive: async () => ({ data: Buffer.from('done') }) }), 'done')
})

test('everything at once', async (t) => {
  const receiver = await bound(t, undefined, { passCredentials: true, timestamps: true })
  const sender = await bound(t, 'auto')
  await sender.send('all', { to: receiver.address, fds: [0, 1], credentials: true })
  const { data, from, fds, credentials, timestamp } = await receiver.receive()
  t.is(data.toString(), 'all')
  t.deepEqual(from, sender.address)
  t.is(fds.length, 2)
  fds.forEach((fd) => closeSync(fd))
  t.deepEqual(credentials, own)
  t.true(Math.abs(timestamp - Date.now()) < 10_000)
})
