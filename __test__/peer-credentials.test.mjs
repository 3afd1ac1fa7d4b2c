// Who is at the other end of a connection.
import test from 'ava'
import { closeSync, readFileSync } from 'node:fs'
import { UnixDatagram, UnixListener, UnixSeqpacket, UnixSeqpacketListener, UnixStream } from 'nearwire'
import { closesOnExec, pairOf } from './helpers/messages.mjs'
import { peers, startPeer } from './helpers/peers.mjs'
import { closing, place, ran } from './helpers/sockets.mjs'

const own = { pid: process.pid, uid: process.geteuid(), gid: process.getegid() }

for (const [type, Class, Listener] of [['stream', UnixStream, UnixListener], ['seqpacket', UnixSeqpacket, UnixSeqpacketListener]]) {
  for (const peer of peers) {
    test(`${type}: a ${peer} client and a ${peer} server are known by pid, uid, gid and groups, and know us`, async (t) => {
      const path = place(t)
      const listener = closing(t, await Listener.listen(path))
      const client = await startPeer(t, peer, [type, 'client', path, 'peer', 'pause'])
      const accepted = closing(t, await listener.accept())
      t.like(accepted.peer, { ...own, pid: client.process.pid })
      t.deepEqual([...accepted.peer.groups].sort((a, b) => a - b), [...new Set(process.getgroups())].filter((group) => accepted.peer.groups.includes(group)).sort((a, b) => a - b))
      t.like(await client.result('peer'), own)

      const other = place(t)
      const server = await startPeer(t, peer, [type, 'server', other, 'peer', 'pause'])
      const socket = closing(t, await Class.connect(other))
      t.like(socket.peer, { ...own, pid: server.process.pid })
      t.like(await server.result('peer'), own)
    })
  }

  test(`${type}: pairs know themselves; what was asked for stays known after the peer's death and the close`, async (t) => {
    const [left, right] = pairOf(t, Class)
    const { peer } = left
    t.like(peer, own)
    t.is(left.peer, peer, 'asked for once')
    const label = peer.securityLabel()
    t.true(label === null || typeof label === 'string')
    await right.close()
    t.is(left.peer.pid, process.pid)
    await left.close()
    t.is(left.peer.pid, process.pid)
    t.throws(() => peer.securityLabel(), { code: 'ERR_SOCKET_CLOSED' })
    t.throws(() => peer.pidfd(), { code: 'ERR_SOCKET_CLOSED' })
    t.throws(() => right.peer, { code: 'ERR_SOCKET_CLOSED' })
  })

  test(`${type}: a pidfd of the peer is new each time, the caller's, closed on exec`, async (t) => {
    const path = place(t)
    const server = await startPeer(t, 'c', [type, 'server', path, 'pause'])
    const socket = closing(t, await Class.connect(path))
    let pidfd
    try {
      pidfd = socket.peer.pidfd()
    } catch (error) {
      t.is(error.code, 'ENOPROTOOPT')
      t.log(`skipped: ${error.message}`)
      return
    }
    const another = socket.peer.pidfd()
    t.not(pidfd, another)
    for (const fd of [pidfd, another]) {
      t.true(closesOnExec(fd))
      t.regex(readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8'), new RegExp(`^Pid:\\s+${server.process.pid}$`, 'm'))
      closeSync(fd)
    }
    await server.stop()
    // Later kernels give a descriptor of a process that is gone, too.
    try {
      closeSync(socket.peer.pidfd())
    } catch (error) {
      t.regex(error.code, /^(ESRCH|EINVAL)$/)
    }
  })
}

test('supplementary groups are those of the peer', async (t) => {
  if (process.getuid() !== 0) {
    t.log('skipped: setting groups needs root')
    t.pass()
    return
  }
  const path = place(t)
  const listener = closing(t, await UnixListener.listen(path))
  const running = ran(t, `
    import { UnixStream } from 'nearwire'
    process.setgroups([7, 42, 65000])
    const stream = await UnixStream.connect(${JSON.stringify(path)})
    await stream.read(Buffer.alloc(1))
    process.exit()
  `)
  const accepted = closing(t, await listener.accept())
  t.deepEqual([...accepted.peer.groups], [7, 42, 65000])
  await accepted.close()
  await running
})

test('datagram sockets have no peer property: the kernel knows nobody at their other end', (t) => {
  const socket = closing(t, UnixDatagram.unbound())
  t.is(socket.peer, undefined)
})
