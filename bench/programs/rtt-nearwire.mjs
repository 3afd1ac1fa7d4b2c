// 64 bytes there and back, the write and the answer awaited: `[busy]`. Busy polling is measured by its rate.
import { UnixStream } from 'nearwire'
import { path, role, roundTrips } from './program.mjs'

const busy = role === 'busy'
const stream = await UnixStream.connect(path, busy ? { busyPoll: 1000 } : {})
const message = Buffer.alloc(64, 'm')
const room = Buffer.alloc(4096)
await roundTrips(async () => {
  await stream.write(message)
  for (let got = 0; got < 64; ) got += await stream.read(room)
}, busy ? 'rate' : 'us')
