// Lines of text: what `socat - UNIX-CONNECT:/tmp/nearwire-lines.sock` can talk to.
//   node examples/lines.mjs [path]

import { delimiter, text, UnixListener } from 'nearwire'

const listener = await UnixListener.listen(process.argv[2] ?? '/tmp/nearwire-lines.sock', { mode: 0o600 })
console.log(`listening at ${listener.address.path}`)

for await (const stream of listener) {
  const lines = stream.framed({ framing: delimiter('\n'), codec: text() })
  for await (const line of lines) {
    if (line === 'stop') await listener.close()
    lines.send(line.toUpperCase())
  }
  await lines.close()
}
