// Waiting costs nothing: the processor time of a process that waits for an event is measured while it waits for it.
import test from 'ava'

import { runScript } from './helpers/loop.mjs'

/** How long the event is away, and how much processor time waiting for it may cost. */
const AWAY = 500
const AT_MOST = 100

const idle = {
  'a read': 'await left.read(into)',
  'a read after a write that had to wait for room': `
    const writing = left.write(new Uint8Array(1024 * 1024))
    for (let total = 0; total < 1024 * 1024;) total += await right.read(into)
    await writing
    await left.read(into)`,
  'an accept beside reads': 'left.read(into).catch(() => {}); await listener.accept()',
  'an event elsewhere, with a half-open peer whose end was read': `
    right.shutdown('write')
    await left.read(into)
    await other.read(into)`,
  'an event elsewhere, with a half-open peer whose end was not read': `
    left.read(into).catch(() => {})
    right.shutdown('write')
    await other.read(into)`,
  'an event elsewhere, with a peer that is gone': 'await right.close(); await left.read(into); await other.read(into)',
  'an event elsewhere, with a peer that is gone and bytes unread': `
    await right.write('unread'); await right.close(); await other.read(into)`,
  'an event elsewhere, with bytes that nobody reads': `await right.write('unread'); await other.read(into)`,
  'an event elsewhere, with a write that waits for room': `
    left.write(new Uint8Array(1024 * 1024)).catch(() => {}); await other.read(into)`,
  'room to write to a half-open peer': `
    right.shutdown('write')
    await left.read(into)
    left.write(new Uint8Array(1024 * 1024)).catch(() => {})
    await other.read(into)`,
  'an event elsewhere, with a duplex that is paused': `
    const duplex = left.toDuplex(); duplex.on('data', () => {}); duplex.pause()
    await right.write('unread'); await other.read(into)`,
  'an event elsewhere, with a client in the backlog that nobody accepts': `
    await UnixStream.connect('\\0nearwire-idle-' + process.pid); await other.read(into)`,
}

for (const watcher of [false, true]) {
  for (const [name, text] of Object.entries(idle)) {
    test.serial(`no processor time goes by while waiting for ${name}${watcher ? ', by the watcher' : ''}`, async (t) => {
      const ended = await runScript(`
        import { Worker } from 'node:worker_threads'
        import { UnixListener, UnixStream } from 'nearwire'
        const listener = await UnixListener.listen('\\0nearwire-idle-' + process.pid)
        const [left, right] = UnixStream.pair()
        const [other, otherRight] = UnixStream.pair()
        const into = new Uint8Array(65536)
        // One timer, whose own cost is nothing: it brings the event and takes the measure.
        let before, used
        setTimeout(() => { before = process.cpuUsage() }, 50)
        setTimeout(() => {
          const { user, system } = process.cpuUsage(before)
          used = (user + system) / 1000
          right.write('now').catch(() => {})
          otherRight.write('now')
          UnixStream.connect('\\0nearwire-idle-' + process.pid)
        }, ${AWAY + 50})
        ${text}
        console.log(used)
        process.exit(0)
      `, { env: { NEARWIRE_WATCHER: watcher ? '1' : '' } })
      t.is(ended.code, 0, ended.stderr)
      const used = Number(ended.stdout)
      t.true(used < AT_MOST, `${used} ms of processor time within ${AWAY} ms`)
    })
  }
}
