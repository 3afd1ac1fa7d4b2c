// 64 KiB writes: `send`, `receive`.
import { UnixListener, UnixStream } from 'nearwire'
import { meter, path, ready, role } from './program.mjs'

if (role === 'receive') {
  const listener = await UnixListener.listen(path)
  ready()
  const stream = await listener.accept()
  const tick = meter()
  for await (const chunk of stream) tick(chunk.length)
} else {
  const stream = await UnixStream.connect(path)
  const data = Buffer.alloc(65536, 'm')
  for (;;) await stream.write(data)
}
