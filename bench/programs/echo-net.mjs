// The same with node:net: `data` (its event) or `awaited` (its iterator).
import { createServer } from 'node:net'
import { path, ready, role } from './program.mjs'

createServer(async (socket) => {
  socket.on('error', () => {})
  if (role === 'data') {
    socket.on('data', (chunk) => socket.write(chunk))
  } else {
    for await (const chunk of socket) socket.write(chunk)
  }
}).listen(path, ready)
