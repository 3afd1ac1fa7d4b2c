// 64-byte messages with node-unix-socket: `datagram` or `seqpacket`, then `send`, `receive`, `echo` or `rtt`.
import { DgramSocket, SeqpacketServer, SeqpacketSocket } from 'node-unix-socket'
import { meter, path, ready, role, roundTrips } from '../programs/program.mjs'

const [kind, what] = role.split(' ')
const message = Buffer.alloc(64, 'm')
const datagram = kind === 'datagram'
/** As many sends in flight: a full receiver must not let the queue in this process grow without end. */
const WINDOW = 64

function onMessages(socket) {
  if (what === 'echo') {
    socket.on('data', (data, from) => (datagram ? socket.sendTo(data, 0, data.length, from) : socket.write(data)))
    return
  }
  const tick = meter()
  let count = 0
  socket.on('data', () => (++count & 255) === 0 && tick(256))
}

function send(write) {
  let inFlight = 0
  const more = () => {
    while (inFlight < WINDOW) {
      inFlight++
      write(() => {
        // A callback that comes before write() returns must not recurse.
        if (inFlight-- === WINDOW) setImmediate(more)
      })
    }
  }
  more()
}

async function exchange(socket, write) {
  let arrived
  socket.on('data', () => arrived())
  await roundTrips(
    () =>
      new Promise((resolve) => {
        arrived = resolve
        write()
      }),
  )
}

if (what === 'receive' || what === 'echo') {
  if (datagram) {
    const socket = new DgramSocket()
    socket.bind(path)
    onMessages(socket)
  } else {
    const server = new SeqpacketServer()
    server.on('connection', onMessages)
    server.listen(path)
  }
  ready()
} else if (datagram) {
  const socket = new DgramSocket()
  socket.bind(`${path}.client`)
  if (what === 'send') send((done) => socket.sendTo(message, 0, 64, path, done))
  else exchange(socket, () => socket.sendTo(message, 0, 64, path))
} else {
  const socket = new SeqpacketSocket()
  socket.connect(path, () => {
    if (what === 'send') send((done) => socket.write(message, 0, 64, done))
    else exchange(socket, () => socket.write(message))
  })
}
