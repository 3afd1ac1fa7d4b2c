// A stream server over a socket file: whoever sends A gets B back.
//   node examples/stream-server.mjs [path]

import { UnixListener } from 'nearwire'

const path = process.argv[2] ?? '/tmp/nearwire-example.sock'

// A socket file that a crashed server left behind is replaced; one that somebody listens on is EADDRINUSE.
const listener = await UnixListener.listen(path, { backlog: 5 })
console.log(`listening at ${listener.address.path}`)

process.once('SIGTERM', () => listener.close())
process.once('SIGINT', () => listener.close())

for await (const stream of listener) {
  serve(stream).catch((error) => console.error(error.message))
}

async function serve(stream) {
  try {
    for await (const bytes of stream) {
      for (const byte of bytes) await stream.write(byte === 65 ? 'B' : '?')
    }
  } finally {
    await stream.close()
  }
}
