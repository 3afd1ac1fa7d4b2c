// Node's own http on our listener and our streams: takeover without a gap, exact mode, peer credentials, then http.
//   node examples/http.mjs [path]        curl --unix-socket /tmp/nearwire-http.sock http://localhost/

import { createServer } from 'node:http'
import { UnixListener } from 'nearwire'

const server = createServer((request, response) => {
  response.end(`${request.method} ${request.url}\n`)
})

// `takeover: true` replaces a running server of the same name: nobody who connects meanwhile is refused.
const listener = await UnixListener.listen(process.argv[2] ?? '/tmp/nearwire-http.sock', { takeover: true, mode: 0o660 })
console.log(`listening at ${listener.address.path}`)

process.once('SIGTERM', () => {
  listener.close()
  server.closeAllConnections()
})

// toNetSocket() is Node's own speed; toDuplex() keeps the stream's methods at hand.
for await (const stream of listener) server.emit('connection', stream.toNetSocket())
