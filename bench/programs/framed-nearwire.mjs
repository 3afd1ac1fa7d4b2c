// 64-byte messages: `send`, `receive`, `receive batches`, `receive batches at`; `listen` receives as a server.
import { UnixListener, UnixStream } from 'nearwire'
import { meter, path, ready, role } from './program.mjs'

async function accept() {
  const listener = await UnixListener.listen(path)
  ready()
  return listener.accept()
}

const stream = role === 'listen' ? await accept() : await UnixStream.connect(path)
const framed = stream.framed()
const tick = meter()
let bytes = 0

if (role === 'send') {
  const message = Buffer.alloc(64, 'm')
  for (;;) {
    const wait = framed.send(message)
    if (wait) await wait
  }
} else if (role === 'receive batches') {
  for await (const batch of framed.batches()) {
    for (let i = 0; i < batch.length; i++) bytes += batch.data[batch.start(i)] + batch.end(i)
    tick(batch.length)
  }
} else if (role === 'receive batches at') {
  for await (const batch of framed.batches()) {
    for (let i = 0; i < batch.length; i++) bytes += batch.at(i)[0]
    tick(batch.length)
  }
} else {
  let count = 0
  for await (const message of framed) {
    bytes += message[0]
    if ((++count & 255) === 0) tick(256)
  }
}
