// 64-byte messages with node:net. `send`: a write a message; `send corked`: 1,024 writes corked together;
// `receive`: a generator over the socket; `receive offsets`, `receive subarray`: split by hand in the `data` event;
// `listen`: `receive` as a server.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { meter, path, ready, role } from './program.mjs'

async function accept() {
  const server = createServer().listen(path, ready)
  const [socket] = await once(server, 'connection')
  return socket
}

async function* frames(socket) {
  let rest = Buffer.alloc(0)
  for await (const chunk of socket) {
    const data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    let at = 0
    while (data.length - at >= 4) {
      const length = data.readUInt32BE(at)
      if (data.length - at - 4 < length) break
      yield data.subarray(at + 4, at + 4 + length)
      at += 4 + length
    }
    rest = data.subarray(at)
  }
}

const socket = role === 'listen' ? await accept() : connect(path)
const tick = meter()
let bytes = 0

if (role.startsWith('send')) {
  // The whole frame is ready made: what is measured is the way out, not the copying together.
  const frame = Buffer.alloc(68, 'm')
  frame.writeUInt32BE(64)
  const corked = role === 'send corked'
  for (;;) {
    let more = true
    if (corked) {
      socket.cork()
      for (let i = 0; i < 1024; i++) more = socket.write(frame)
      socket.uncork()
    } else {
      more = socket.write(frame)
    }
    if (!more) await once(socket, 'drain')
  }
} else if (role === 'receive offsets' || role === 'receive subarray') {
  const offsets = role === 'receive offsets'
  let rest = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    const data = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk
    let at = 0
    let count = 0
    while (data.length - at >= 4) {
      const length = data.readUInt32BE(at)
      const end = at + 4 + length
      if (end > data.length) break
      bytes += offsets ? data[at + 4] + end : data.subarray(at + 4, end)[0]
      at = end
      count++
    }
    rest = data.subarray(at)
    tick(count)
  })
} else {
  let count = 0
  for await (const message of frames(socket)) {
    bytes += message[0]
    if ((++count & 255) === 0) tick(256)
  }
}
