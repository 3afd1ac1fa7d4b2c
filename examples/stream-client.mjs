// A stream client: sends A, prints the answer.
//   node examples/stream-client.mjs [path]

import { UnixStream } from 'nearwire'

const path = process.argv[2] ?? '/tmp/nearwire-example.sock'

const stream = await UnixStream.connect(path, { timeout: 1000 })
// Sending has a time limit too: a peer that does not read would stop us otherwise.
await stream.write('A', { signal: AbortSignal.timeout(1000) })
const answer = Buffer.alloc(1)
await stream.read(answer, { signal: AbortSignal.timeout(1000) })
console.log(`A -> ${answer}`)
await stream.close()
