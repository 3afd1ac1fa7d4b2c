// The same with node:net: `send`, `receive` (its `data` event, which is its fastest).
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { meter, path, ready, role } from './program.mjs'

if (role === 'receive') {
  createServer((socket) => {
    const tick = meter()
    socket.on('data', (chunk) => tick(chunk.length))
  }).listen(path, ready)
} else {
  const socket = connect(path)
  const data = Buffer.alloc(65536, 'm')
  for (;;) if (!socket.write(data)) await once(socket, 'drain')
}
