// The same with node:net, each at its fastest: `awaited` (a promise a round trip), `data` (the event alone) or
// `onread` (a buffer of one's own, no stream); `rate` behind it for round trips a second instead of their time.
import { connect } from 'node:net'
import { amount, path, result, role, roundTrips } from './program.mjs'

const [how, unit = 'us'] = role.split(' ')
const message = Buffer.alloc(64, 'm')
let arrived
const socket =
  how === 'onread'
    ? connect({ path, onread: { buffer: Buffer.alloc(4096), callback: (count) => (arrived(count), true) } })
    : connect(path).on('data', (chunk) => arrived(chunk.length))

socket.once('connect', () => {
  if (how === 'awaited') {
    const trip = () =>
      new Promise((resolve) => {
        arrived = resolve
        socket.write(message)
      })
    return roundTrips(trip, unit)
  }
  // Without promises the next round trip starts in the callback of the one before.
  const begun = performance.now()
  let started
  let count = 0
  arrived = () => {
    if (++count % 50 === 0) {
      const now = performance.now()
      if (started === undefined) {
        if (now - begun >= amount / 3) [started, count] = [now, 0]
      } else if (now - started >= amount) {
        const time = ((now - started) * 1000) / count
        return result(unit === 'us' ? time : 1e6 / time)
      }
    }
    socket.write(message)
  }
  socket.write(message)
})
