// The same with Node's own `net` and a length prefix by hand: what one would write without nearwire.

import { once } from 'node:events'
import net from 'node:net'

import { run } from './work.mjs'

await run({
  async server(path) {
    const server = net.createServer(async (socket) => {
      for await (const message of messagesOf(socket)) {
        if (!send(socket, message)) await once(socket, 'drain')
      }
      socket.end()
    })
    server.listen(path)
    await once(server, 'listening')
  },
  async client(path) {
    const socket = net.connect(path)
    await once(socket, 'connect')
    const messages = messagesOf(socket)
    return {
      send: (message) => send(socket, message) ? undefined : once(socket, 'drain'),
      receive: async () => (await messages.next()).value,
      close: async () => { socket.destroy() },
    }
  },
})

function send(socket, message) {
  const frame = Buffer.allocUnsafe(4 + message.length)
  frame.writeUInt32BE(message.length)
  message.copy(frame, 4)
  return socket.write(frame)
}

async function* messagesOf(socket) {
  let rest = Buffer.alloc(0)
  for await (const chunk of socket) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let at = 0
    while (bytes.length - at >= 4) {
      const end = at + 4 + bytes.readUInt32BE(at)
      if (end > bytes.length) break
      yield bytes.subarray(at + 4, end)
      at = end
    }
    rest = bytes.subarray(at)
  }
}
