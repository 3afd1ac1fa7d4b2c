// One descriptor and one byte a message, with usocket: `send`, `receive`, which closes it.
import { closeSync, openSync } from 'node:fs'
import usocket from 'usocket'
import { meter, path, ready, role } from '../programs/program.mjs'

if (role === 'send') {
  const socket = new usocket.USocket()
  const data = Buffer.from('m')
  const fds = [openSync('/dev/null')]
  socket.connect(path, async () => {
    for (;;) await new Promise((callback) => socket.write({ data, fds, callback }))
  })
} else {
  const tick = meter()
  let count = 0
  const server = new usocket.UServer()
  server.on('connection', (socket) => {
    // The fastest way in that it has: its event with the descriptors themselves.
    socket.on('fds', (fds) => {
      for (const fd of fds) {
        closeSync(fd)
        if ((++count & 63) === 0) tick(64)
      }
    })
    socket.on('readable', () => {
      while (socket.read(null, null)?.data) {}
    })
    socket.read(0)
  })
  server.listen(path, ready)
}
