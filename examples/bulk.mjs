// A file through a socket with back-pressure both ways, by node:stream and by web streams.
//   node examples/bulk.mjs

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { pipeline } from 'node:stream/promises'
import { UnixStream } from 'nearwire'

const [left, right] = UnixStream.pair()

const sent = createHash('sha256')
const sending = pipeline(createReadStream(process.execPath), async function* (chunks) {
  for await (const chunk of chunks) {
    sent.update(chunk)
    yield chunk
  }
}, left.toDuplex())

const received = createHash('sha256')
let bytes = 0
for await (const chunk of right.readable) {
  received.update(chunk)
  bytes += chunk.length
}
await right.close()
await sending
console.log(`${bytes} bytes, ${sent.digest('hex') === received.digest('hex') ? 'the same' : 'not the same'}`)
