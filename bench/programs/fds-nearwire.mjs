// One descriptor and one byte a message, over a stream: `send`, `receive`, `receive each`; the two close it.
import { closeSync, openSync } from 'node:fs'
import { UnixListener, UnixStream } from 'nearwire'
import { meter, path, ready, role } from './program.mjs'

if (role === 'send') {
  const stream = await UnixStream.connect(path)
  const message = { data: Buffer.from('m'), fds: [openSync('/dev/null')] }
  for (;;) await stream.sendMessage(message)
} else {
  const listener = await UnixListener.listen(path)
  ready()
  const stream = await listener.accept()
  const tick = meter()
  let count = 0
  const take = (fds) => {
    for (const fd of fds) {
      closeSync(fd)
      if ((++count & 63) === 0) tick(64)
    }
  }
  if (role === 'receive') for await (const { fds } of stream.messages()) take(fds)
  else for (let message; (message = await stream.receiveMessage()); ) take(message.fds)
}
