// A worker in the middle of something, for as long as it is let: what it does is in workerData.
import { parentPort, workerData } from 'node:worker_threads'

import { UnixListener, UnixStream } from 'nearwire'

const keep = []

function ready() {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- this is a port, not a window
  parentPort.postMessage('ready')
}

const tasks = {
  /** A read that never comes to an end. */
  async read() {
    const [left, right] = UnixStream.pair()
    keep.push(left, right)
    const reading = left.read(new Uint8Array(16))
    ready()
    await reading
  },

  /** A write that the kernel took only a part of. */
  async write() {
    const [left, right] = UnixStream.pair()
    keep.push(left, right)
    const writing = left.write(new Uint8Array(8 * 1024 * 1024))
    ready()
    await writing
  },

  async accept() {
    const listener = await UnixListener.listen(`\0nearwire-loop-${process.pid}-${workerData.name}`)
    keep.push(listener)
    const accepting = listener.accept()
    ready()
    await accepting
  },

  /** Iterators on both ends, and messages between them all the time. */
  async iterate() {
    const [left, right] = UnixStream.pair()
    const [asking, answering] = [left.framed(), right.framed()]
    const answers = (async () => {
      for await (const message of answering) await answering.send(message)
    })()
    asking.send('go')
    let count = 0
    for await (const message of asking) {
      asking.send(message)
      if (++count === 3) ready()
    }
    await answers
  },

  /** Connections made, used and closed all the time. */
  async connect() {
    const address = `\0nearwire-loop-${process.pid}-${workerData.name}`
    const listener = await UnixListener.listen(address)
    const serving = (async () => {
      for await (const stream of listener) {
        await stream.write('hello')
        stream.close()
      }
    })()
    for (let count = 0; ; count++) {
      const stream = await UnixStream.connect(address)
      await stream.read(new Uint8Array(16))
      if (count === 3) ready()
      if (count % 2 === 0) await stream.close()
      else stream.close()
      if (count < 0) await serving
    }
  },

  /** Never leaves JavaScript, with messages unsent and reads pending. */
  async spin() {
    const [left, right] = UnixStream.pair()
    left.read(new Uint8Array(16)).catch(() => {})
    right.framed().send('unsent')
    ready()
    for (;;);
  },

  /** Is caught inside the callback that readiness comes in by: a listener that does not return. */
  async callback() {
    const [left, right] = UnixStream.pair()
    const duplex = left.toDuplex()
    duplex.on('data', () => {
      ready()
      for (;;);
    })
    await new Promise((resolve) => { setImmediate(resolve) })
    await right.write('now')
    keep.push(duplex, right)
  },

  /** Ends itself inside that callback. */
  async exit() {
    const [left, right] = UnixStream.pair()
    left.toDuplex().on('data', () => process.exit(0))
    keep.push(right)
    ready()
    await new Promise((resolve) => { setImmediate(resolve) })
    await right.write('now')
    await right.read(new Uint8Array(1))
  },

  /** Throws with everything pending. */
  async throw() {
    const [left, right] = UnixStream.pair()
    left.read(new Uint8Array(16)).catch(() => {})
    right.framed().send('unsent')
    ready()
    throw new Error('this error is part of the test')
  },

  /** Has imported the module, and nothing else. */
  async nothing() {
    ready()
  },

  /** Answers on a descriptor that came by its number, whatever it is sent. */
  async echo() {
    const stream = UnixStream.fromFd(workerData.fd)
    const room = new Uint8Array(4096)
    for (let count; (count = await stream.read(room)) > 0;) await stream.write(room.slice(0, count))
    await stream.close()
  },

  /** Sends numbered messages on a descriptor that came by its number, then ends. */
  async send() {
    const framed = UnixStream.fromFd(workerData.fd).framed()
    for (let index = 0; index < workerData.count; index++) await framed.send(`${workerData.name} ${index}`)
    await framed.close()
  },
}

await tasks[workerData.task]()
