// The same with node:net.
import { connect, createServer } from 'node:net'
import { path, ready, role, roundTrips } from './program.mjs'

if (role === 'server') {
  createServer((socket) => socket.destroy()).listen(path, ready)
} else {
  await roundTrips(
    () =>
      new Promise((resolve, reject) => {
        const socket = connect(path)
        socket.on('error', reject).on('close', resolve).resume()
      }),
    'rate',
  )
}
