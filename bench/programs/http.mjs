// Node's own http server over `net`, or over our streams: `duplex` (toDuplex()), `net-socket` (toNetSocket()).
import { createServer } from 'node:http'
import { path, ready, role } from './program.mjs'

const body = Buffer.from('hello from the other side of the socket\n')
const server = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': body.length })
  response.end(body)
})

if (role === 'net') {
  server.listen(path, ready)
} else {
  const { UnixListener } = await import('nearwire')
  const listener = await UnixListener.listen(path)
  ready()
  for await (const stream of listener) {
    server.emit('connection', role === 'duplex' ? stream.toDuplex() : stream.toNetSocket())
  }
}
