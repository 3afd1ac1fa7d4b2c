// 64-byte datagrams with unix-dgram: `datagram` or `connected`, then `send`, `receive`, `echo` or `rtt`. It does not tell
// who sent a message, so two sides that answer, or are connected to each other, know each other's names.
import { existsSync } from 'node:fs'
import unix from 'unix-dgram'
import { meter, path, ready, role, roundTrips } from '../programs/program.mjs'

const message = Buffer.alloc(64, 'm')
const client = `${path}.client`
const [kind, what] = role.split(' ')

if (what === 'receive') {
  const tick = meter()
  let count = 0
  const socket = unix.createSocket('unix_dgram', () => {
    if (++count === 1 && kind === 'connected') socket.connect(client)
    if ((count & 255) === 0) tick(256)
  })
  socket.bind(path)
  ready()
} else if (what === 'echo') {
  const answers = unix.createSocket('unix_dgram')
  const socket = unix.createSocket('unix_dgram', (data) => answers.send(data, 0, data.length, client))
  socket.on('error', () => {})
  socket.bind(path)
  ready()
} else if (what === 'send') {
  const socket = unix.createSocket('unix_dgram')
  if (kind === 'connected') socket.bind(client)
  let full = false
  const more = () => {
    // In turns of the loop, or its events never come.
    for (let i = 0; i < 256 && !full; i++) socket.send(message)
    if (!full) setImmediate(more)
  }
  socket.on('error', () => {})
  socket.on('congestion', () => (full = true))
  socket.on('writable', () => {
    if (full) setImmediate(more)
    full = false
  })
  socket.on('connect', more)
  socket.connect(path)
} else {
  let arrived
  const answers = unix.createSocket('unix_dgram', () => arrived())
  answers.bind(client)
  if (!existsSync(client)) throw new Error('bind made no socket')
  const socket = unix.createSocket('unix_dgram')
  socket.on('connect', () =>
    roundTrips(
      () =>
        new Promise((resolve) => {
          arrived = resolve
          socket.send(message)
        }),
    ),
  )
  socket.connect(path)
}
