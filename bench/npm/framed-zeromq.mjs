// 64-byte messages with zeromq over ipc: `push`, `pull`.
import { Pull, Push } from 'zeromq'
import { meter, path, ready, role } from '../programs/program.mjs'

if (role === 'pull') {
  const socket = new Pull()
  await socket.bind(`ipc://${path}`)
  ready()
  const tick = meter()
  let bytes = 0
  let count = 0
  for await (const [message] of socket) {
    bytes += message[0]
    if ((++count & 255) === 0) tick(256)
  }
} else {
  const socket = new Push()
  socket.connect(`ipc://${path}`)
  const message = Buffer.alloc(64, 'm')
  for (;;) await socket.send(message)
}
