// One connection after another: `server` accepts and closes, `client` connects, sees the end and closes.
import { UnixListener, UnixStream } from 'nearwire'
import { path, ready, role, roundTrips } from './program.mjs'

if (role === 'server') {
  const listener = await UnixListener.listen(path)
  ready()
  for await (const stream of listener) stream.close()
} else {
  const room = Buffer.alloc(64)
  await roundTrips(async () => {
    const stream = await UnixStream.connect(path)
    await stream.read(room)
    await stream.close()
  }, 'rate')
}
