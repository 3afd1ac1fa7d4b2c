// Messages with the kernel's own boundaries over a connection; an empty one is a message, not the end.
//   node examples/seqpacket.mjs

import { UnixSeqpacket, UnixSeqpacketListener } from 'nearwire'

const name = { abstract: `nearwire-example-${process.pid}` }
const listener = await UnixSeqpacketListener.listen(name)
const client = await UnixSeqpacket.connect(name)
const server = await listener.accept()

client.send('first')
client.send('')
client.send('third')
await client.close()

for await (const { data } of server) console.log(`${data.length} bytes: ${data}`)
console.log('the end')
await server.close()
await listener.close()
