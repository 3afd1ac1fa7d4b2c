import { UnixListener, UnixStream } from 'nearwire'

import { run } from './work.mjs'

await run({
  async server(path) {
    const listener = await UnixListener.listen(path)
    ;(async () => {
      for await (const stream of listener) echo(stream.framed())
    })()
  },
  async client(path) {
    const framed = (await UnixStream.connect(path)).framed()
    const messages = framed[Symbol.asyncIterator]()
    return {
      send: (message) => framed.send(message),
      receive: async () => (await messages.next()).value,
      close: () => framed.close(),
    }
  },
})

async function echo(framed) {
  for await (const message of framed) {
    const wait = framed.send(message)
    if (wait !== undefined) await wait
  }
  await framed.close()
}
