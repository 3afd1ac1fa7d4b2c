// What keeps a process alive, and what does not: a script that should end is watched for doing so, and one that should
// not is watched for what it does next.
import test from 'ava'

import { runScript } from './helpers/loop.mjs'

const setUp = `
  import { UnixListener, UnixStream } from 'nearwire'
  const [left, right] = UnixStream.pair()
  const listener = await UnixListener.listen('\\0nearwire-references-' + process.pid)
  const into = new Uint8Array(16)
  process.on('exit', () => console.log('ended'))
`

const ends = {
  'sockets that do nothing': '',
  'a socket that has read and written': `await right.write('hello'); await left.read(into)`,
  'a framed stream and its iterator between two messages': `
    left.framed().send('one')
    for await (const message of right.framed()) break`,
  'a pending read, unreferenced before': 'left.unref(); left.read(into)',
  'a pending read, unreferenced after': 'left.read(into); left.unref()',
  'a pending read, unreferenced, referenced and unreferenced': 'left.unref().ref().unref().read(into)',
  'unreferenced twice, referenced once, unreferenced again': 'left.read(into); left.unref().unref().ref().unref()',
  'a pending accept, unreferenced': 'listener.accept(); listener.unref()',
  'a pending write, unreferenced': 'left.unref().write(new Uint8Array(8 * 1024 * 1024))',
  'an aborted read': `
    const abort = new AbortController()
    left.read(into, { signal: abort.signal }).catch(() => {})
    abort.abort()`,
  'a closed socket with reads that waited': `
    left.read(into).catch(() => {}); left.read(into).catch(() => {}); await left.close()`,
  'a socket with a read that waited, given up': `
    left.read(into).catch(() => {}); const fd = left.detach()`,
  'two reads of which both were answered': `
    const both = [left.read(new Uint8Array(1)), left.read(new Uint8Array(1))]
    await right.write('ab'); await Promise.all(both)`,
  'an iterator that was returned while it waited': `
    const iterator = left[Symbol.asyncIterator]()
    const next = iterator.next(); await iterator.return(); await next`,
  'closed while unreferenced with a pending read': `
    left.read(into).catch(() => {}); left.unref(); await left.close()`,
  'unreferenced after it was closed': `
    left.read(into).catch(() => {}); await left.close(); left.unref().ref()`,
}

for (const [name, text] of Object.entries(ends)) {
  test(`does not keep the process alive: ${name}`, async (t) => {
    const ended = await runScript(setUp + text)
    // 13: the script awaits something that nothing keeps alive.
    t.deepEqual({ code: ended.code, signal: ended.signal, stdout: ended.stdout }, { code: 0, signal: null, stdout: 'ended\n' }, ended.stderr)
  })
}

/** Something unreferenced brings the event, so only the operation can have kept the process until then. */
const peer = (text) => `setTimeout(() => { ${text} }, 150).unref();`

const stays = {
  'a pending read': `${peer('right.write("x")')} await left.read(into); console.log('done')`,
  'a pending read, unreferenced and referenced again': `
    ${peer('right.write("x")')} left.unref(); const read = left.read(into); left.ref(); await read; console.log('done')`,
  'a second read when the first was answered': `
    ${peer('right.write("x")')}
    const both = [left.read(new Uint8Array(1)), left.read(new Uint8Array(1))]
    await right.write('y'); await Promise.all(both); console.log('done')`,
  'a second read when the first was aborted': `
    ${peer('right.write("x")')}
    const abort = new AbortController()
    left.read(into, { signal: abort.signal }).catch(() => {})
    const second = left.read(into); abort.abort(); await second; console.log('done')`,
  'a pending accept': `
    ${peer(`UnixStream.connect('\\\\0nearwire-references-' + process.pid)`).replaceAll('\\\\0', '\\0')}
    await listener.accept(); console.log('done')`,
  'a pending write': `
    ${peer('right.unref(); (async () => { for await (const chunk of right); })()')}
    await left.write(new Uint8Array(4 * 1024 * 1024)); console.log('done')`,
  'an iterator that waits': `
    ${peer('right.write("x")')} for await (const chunk of left) break; console.log('done')`,
  'an idle socket beside one that reads': `
    ${peer('right.write("x")')} const [idle] = UnixStream.pair(); idle.unref(); await left.read(into); console.log('done')`,
  'a duplex that reads': `
    ${peer('right.write("x")')} left.toDuplex().once('data', () => { console.log('done'); process.exit() })`,
}

for (const [name, text] of Object.entries(stays)) {
  test(`keeps the process alive: ${name}`, async (t) => {
    const ended = await runScript(setUp + text)
    t.deepEqual({ code: ended.code, signal: ended.signal, stdout: ended.stdout }, { code: 0, signal: null, stdout: 'done\nended\n' }, ended.stderr)
  })
}
