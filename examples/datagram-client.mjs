// A datagram client: takes a name of the kernel's choice, so that it can be answered.
//   node examples/datagram-client.mjs [path]

import { UnixDatagram } from 'nearwire'

const socket = await UnixDatagram.bind('auto')
await socket.send('hello', { to: process.argv[2] ?? '/tmp/nearwire-datagram.sock' })
const { data } = await socket.receive({ signal: AbortSignal.timeout(1000) })
console.log(`hello -> ${data}`)
await socket.close()
