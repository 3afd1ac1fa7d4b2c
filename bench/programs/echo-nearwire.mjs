// Sends back what it reads, on every connection: `[busy]`.
import { UnixListener } from 'nearwire'
import { path, ready, role } from './program.mjs'

const listener = await UnixListener.listen(path, role === 'busy' ? { busyPoll: 1000 } : {})
ready()
for await (const stream of listener) echo(stream)

async function echo(stream) {
  if (role === 'busy') {
    const room = Buffer.alloc(4096)
    for (let count; (count = await stream.read(room)) > 0; ) await stream.write(room.subarray(0, count))
  } else {
    for await (const chunk of stream) await stream.write(chunk)
  }
  await stream.close()
}
