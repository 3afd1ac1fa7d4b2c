// Lines of text: what `socat - UNIX-CONNECT:/tmp/nearwire-lines.sock` can talk to.
//   node examples/lines.mjs [path]

import { delimiter, text, UnixListener } from 'nearwire'

const listener = await UnixListener.listen(process.argv[2] ?? '/tmp/nearwire-lines.sock', { mode: 0o600 })
console.log(`listening at ${listener.address.path}`)

for await (const stream of listener) serve(stream).catch((error) => console.error(error.message))

async function serve(stream) {
  const lines = stream.framed({ framing: delimiter('\n'), codec: text() })
  try {
    for await (const line of lines) {
      if (line === 'stop') await listener.close()
      await lines.send(line.toUpperCase())
    }
  } finally {
    await lines.close()
  }
}
