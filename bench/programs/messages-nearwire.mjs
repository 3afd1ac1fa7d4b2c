// 64-byte messages, `datagram`, `connected` or `seqpacket`, then `send`, `receive`, `receive batches`, `echo` or `rtt`. Two
// `connected` datagram sockets are connected to each other.
import { UnixDatagram, UnixSeqpacket, UnixSeqpacketListener } from 'nearwire'
import { meter, path, ready, role, roundTrips } from './program.mjs'

const [kind, what, batches] = role.split(' ')
const message = Buffer.alloc(64, 'm')

async function serve() {
  if (kind !== 'seqpacket') {
    const socket = await UnixDatagram.bind(path)
    ready()
    if (kind === 'connected') socket.connect((await socket.receive()).from)
    return socket
  }
  const listener = await UnixSeqpacketListener.listen(path)
  ready()
  return listener.accept()
}

async function connect() {
  if (kind === 'seqpacket') return UnixSeqpacket.connect(path)
  const isAnswered = kind === 'connected' || what === 'rtt'
  const socket = isAnswered ? await UnixDatagram.bind('auto') : UnixDatagram.unbound()
  socket.connect(path)
  return socket
}

const socket = what === 'send' || what === 'rtt' ? await connect() : await serve()

if (what === 'send') {
  for (;;) {
    const wait = socket.send(message)
    if (wait) await wait
  }
} else if (what === 'rtt') {
  await roundTrips(async () => {
    socket.send(message)
    await socket.receive()
  })
} else if (what === 'echo') {
  for await (const { data, from } of socket) socket.send(data, kind === 'datagram' ? { to: from } : undefined)
} else {
  const tick = meter()
  let bytes = 0
  if (batches) {
    for await (const batch of socket.batches()) {
      for (let i = 0; i < batch.length; i++) bytes += batch.data[batch.start(i)] + batch.end(i)
      tick(batch.length)
    }
  } else {
    let count = 0
    for await (const { data } of socket) {
      bytes += data[0]
      if ((++count & 255) === 0) tick(256)
    }
  }
}
