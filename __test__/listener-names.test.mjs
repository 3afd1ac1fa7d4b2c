// The name of a listener: of any length and kind, taken without a race, given up without touching anybody else's.
import test from 'ava'
import {
  chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, readdirSync, readlinkSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { SocketError, UnixListener, UnixStream } from 'nearwire'
import { abstractName, closing, directory, drop, listening, place, program, ran, readExactly, until } from './helpers/sockets.mjs'
import { startPeer } from './helpers/peers.mjs'

const taken = { instanceOf: SocketError, code: 'EADDRINUSE' }

/** Says one byte through a name. */
async function works(t, listener, address = listener.address) {
  const [client, server] = await Promise.all([UnixStream.connect(address), listener.accept()])
  await client.write('x')
  t.is(String(await readExactly(server, 1)), 'x')
  await Promise.all([client.close(), server.close()])
}

/** A path of so many bytes. */
function longPath(t, length) {
  let folder = directory(t)
  while (folder.length + 1 + 200 < length) {
    folder = join(folder, 'd'.repeat(Math.min(180, length - folder.length - 30)))
    mkdirSync(folder)
  }
  return join(folder, 's'.repeat(length - folder.length - 1))
}

for (const length of [90, 106, 107, 108, 109, 110, 255, 1000, 4000, 4095]) {
  test(`a path of ${length} bytes`, async (t) => {
    const path = longPath(t, length)
    t.is(path.length, length)
    const listener = await listening(t, path)
    t.deepEqual(listener.address, { path })
    t.true(statSync(path).isSocket())
    const client = closing(t, await UnixStream.connect(path))
    const server = closing(t, await listener.accept())
    t.deepEqual(client.remoteAddress, { path })
    t.deepEqual(server.localAddress, { path })
    await client.write('x')
    t.is(String(await readExactly(server, 1)), 'x')
    await listener.close()
    t.false(existsSync(path))
    t.deepEqual(readdirSync(dirname(path)), [])
  })
}

test('a path of 6000 bytes, longer than other calls take', async (t) => {
  const folder = directory(t)
  const { code, stdout, stderr } = await ran(t, `
    import { spawnSync } from 'node:child_process'
    import { mkdirSync } from 'node:fs'
    import { UnixListener, UnixStream } from 'nearwire'
    const top = process.argv.at(-1)
    process.chdir(top)
    let path = top
    while (path.length < 5900) {
      const name = 'd'.repeat(99)
      mkdirSync(name)
      process.chdir(name)
      path += '/' + name
    }
    process.chdir('/')
    path += '/socket'
    try {
      const listener = await UnixListener.listen(path)
      const client = await UnixStream.connect(path)
      console.log(listener.address.path === path, client.remoteAddress.path === path)
      await client.close()
      await listener.close()
      await UnixStream.connect(path).catch(({ code }) => console.log(code))
    } finally {
      spawnSync('rm', ['-rf', top])
    }
  `, { args: [folder] })
  t.is(code, 0, stderr)
  t.is(stdout, 'true true\nENOENT\n')
})

test('a name longer than the file system takes is ENAMETOOLONG', async (t) => {
  const name = place(t, 'x'.repeat(256))
  await t.throwsAsync(UnixStream.connect(name), { instanceOf: SocketError, code: 'ENAMETOOLONG' })
  await t.throwsAsync(UnixListener.listen(name), { instanceOf: SocketError, code: 'ENAMETOOLONG' })
})

test('a path of bytes that are not UTF-8', async (t) => {
  const folder = directory(t)
  const path = Buffer.concat([Buffer.from(`${folder}/`), Buffer.of(0xff, 0xfe, 0x80)])
  const listener = await listening(t, { path })
  t.is(listener.address.path, path.toString())
  t.deepEqual(listener.address.bytes, path)
  t.deepEqual(readdirSync(folder, { encoding: 'buffer' }), [path.subarray(folder.length + 1)])
  await works(t, listener, { path })
  // An address that we gave must lead back to where it came from.
  await works(t, listener, listener.address)
})

test('a relative path', async (t) => {
  const { code, stdout, stderr } = await ran(t, `
    import { chdir } from 'node:process'
    import { UnixListener, UnixStream } from 'nearwire'
    chdir(process.argv.at(-1))
    const listener = await UnixListener.listen('socket')
    const client = await UnixStream.connect('./socket')
    console.log(listener.address, client.remoteAddress)
    chdir('/')
    await client.close()
    await listener.close()
  `, { args: [directory(t)] })
  t.is(code, 0, stderr)
  t.is(stdout, "{ path: 'socket' } { path: './socket' }\n")
})

test('abstract names: with NULs, of 107 bytes, apart though one begins like the other', async (t) => {
  const name = abstractName()
  for (const abstract of [name, `${name}\0`, `${name}\0\0`, `${name}\0x`, name.padEnd(107, '\0'), name.padEnd(107, 'y')]) {
    const listener = await listening(t, { abstract })
    t.deepEqual(listener.address, { abstract: Buffer.from(abstract) })
    await works(t, listener)
    await works(t, listener, `\0${abstract}`)
    await t.throwsAsync(UnixListener.listen({ abstract }), taken)
  }
})

test('autobind: the kernel chooses a name of five digits for a client', async (t) => {
  const listener = await listening(t)
  const client = closing(t, await UnixStream.connect(listener.address, { bind: 'auto' }))
  const server = closing(t, await listener.accept())
  t.regex(String(client.localAddress.abstract), /^[0-9a-f]{5}$/)
  t.deepEqual(server.remoteAddress, client.localAddress)
})

test('an abstract name nobody listens at', async (t) => {
  const error = await t.throwsAsync(UnixStream.connect({ abstract: 'nearwire\0none' }), { instanceOf: SocketError, code: 'ECONNREFUSED' })
  t.is(error.address, '@nearwire\\x00none')
  t.regex(error.message, /nobody listens/)
})

test('the file is gone after close, and so is everything else that was made', async (t) => {
  const path = place(t)
  const listener = await UnixListener.listen(path)
  t.deepEqual(readdirSync(dirname(path)), ['socket'])
  await listener.close()
  t.deepEqual(readdirSync(dirname(path)), [])
})

test('unlinkOnClose false leaves it', async (t) => {
  const path = place(t)
  const listener = await UnixListener.listen(path, { unlinkOnClose: false })
  await listener.close()
  t.true(lstatSync(path).isSocket())
})

test('only ever our own inode: a successor, a file and a renamed one stay', async (t) => {
  const path = place(t)
  const first = await UnixListener.listen(path)
  const second = await UnixListener.listen(path, { takeover: true })
  await first.close()
  await works(t, second)
  rmSync(path)
  writeFileSync(path, 'precious')
  await second.close()
  t.is(readFileSync(path, 'utf8'), 'precious')
  rmSync(path)
  const third = await UnixListener.listen(path)
  renameSync(path, `${path}.moved`)
  await third.close()
  t.true(existsSync(`${path}.moved`))
})

test('close finds our file though the directory was renamed', async (t) => {
  const folder = join(directory(t), 'before')
  mkdirSync(folder)
  const listener = await UnixListener.listen(join(folder, 'socket'))
  renameSync(folder, `${folder}-after`)
  await listener.close()
  t.deepEqual(readdirSync(`${folder}-after`), [])
})

for (const takeover of [false, 'stale', true]) {
  test(`whatever is not a socket is never replaced: takeover ${takeover}`, async (t) => {
    for (const [make, check, said] of [
      [(path) => writeFileSync(path, 'precious'), (path) => readFileSync(path, 'utf8') === 'precious', /regular file/],
      [(path) => mkdirSync(path), (path) => statSync(path).isDirectory(), /directory/],
      [(path) => symlinkSync('/nowhere', path), (path) => readlinkSync(path) === '/nowhere', /link/],
    ]) {
      const path = place(t)
      make(path)
      const error = await t.throwsAsync(UnixListener.listen(path, { takeover }), taken)
      t.regex(error.message, said)
      t.is(error.address, path)
      t.true(check(path))
      t.deepEqual(readdirSync(dirname(path)), ['socket'])
    }
  })
}

test('a symbolic link to a live socket is not replaced either', async (t) => {
  const listener = await listening(t)
  const link = place(t, 'link')
  symlinkSync(listener.address.path, link)
  await t.throwsAsync(UnixListener.listen(link, { takeover: true }), taken)
  await works(t, listener, link)
})

test('takeover false: EADDRINUSE for a stale socket and a live one', async (t) => {
  const path = place(t)
  const stale = await UnixListener.listen(path, { unlinkOnClose: false })
  await t.throwsAsync(UnixListener.listen(path, { takeover: false }), taken)
  await stale.close()
  await t.throwsAsync(UnixListener.listen(path, { takeover: false }), taken)
  t.true(existsSync(path))
})

test('takeover stale, the default: a stale socket is replaced, a live one is not and is left undisturbed', async (t) => {
  const path = place(t)
  const peer = await startPeer(t, 'c', ['stream', 'server', path, '--connections=-1', 'pause'])
  await t.throwsAsync(UnixListener.listen(path), { ...taken, message: /running process/ })
  await peer.stop()
  t.true(existsSync(path))
  const listener = await listening(t, path)
  await works(t, listener)
})

test('a socket that is bound and does not listen yet is not stale', async (t) => {
  const path = place(t)
  const peer = await startPeer(t, 'c', ['datagram', 'server', path, 'pause'])
  await t.throwsAsync(UnixListener.listen(path), taken)
  await peer.stop()
})

test('takeover true: no moment in which the name leads nowhere, while clients connect in a loop', async (t) => {
  const path = place(t)
  let current = await UnixListener.listen(path)
  const served = new Set()
  const serve = async (listener) => {
    for await (const stream of listener) {
      served.add(listener)
      drop(stream)
    }
  }
  const serving = [serve(current)]
  const client = program(t, `
    import { UnixStream } from 'nearwire'
    let stop = false
    process.stdin.on('data', () => { stop = true; process.stdin.destroy() })
    let count = 0
    while (!stop) {
      // A failure, of whatever kind, ends this process with an error.
      const stream = await UnixStream.connect(process.argv.at(-1))
      await stream.close()
      if (++count === 1) console.log('connecting')
      await new Promise((resolve) => { setImmediate(resolve) })
    }
    console.log('connected', count)
  `, { args: [path] })
  let stdout = ''
  let stderr = ''
  client.stdout.on('data', (data) => { stdout += data })
  client.stderr.on('data', (data) => { stderr += data })
  await until(() => stdout !== '' || client.exitCode !== null)
  for (let round = 0; round < 50; round++) {
    const next = await UnixListener.listen(path, { takeover: true })
    serving.push(serve(next))
    await until(() => served.has(next) || client.exitCode !== null)
    await current.close()
    t.true(existsSync(path))
    current = next
  }
  client.stdin.write('\n')
  await until(() => client.exitCode !== null)
  t.is(client.exitCode, 0, stderr)
  await current.close()
  await Promise.all(serving)
  t.deepEqual(readdirSync(dirname(path)), [])
})

test('many claim a stale name at once, in workers and processes: exactly one wins', async (t) => {
  const path = place(t)
  const claim = `
    import { UnixListener } from 'nearwire'
    export async function claim(path) {
      try {
        globalThis.listener = await UnixListener.listen(path)
        return 'won'
      } catch (error) {
        return error.code
      }
    }
  `
  for (let round = 0; round < 3; round++) {
    const stale = await UnixListener.listen(path, { unlinkOnClose: false, takeover: 'stale' })
    await stale.close()
    const processes = Array.from({ length: 4 }, () => program(t, `
      ${claim}
      process.stdin.once('data', async () => {
        console.log(await claim(process.argv.at(-1)))
        process.stdin.once('end', () => globalThis.listener?.close())
      })
      console.log('ready')
    `, { args: [path] }))
    const outputs = processes.map((child) => {
      const output = { text: '' }
      child.stdout.on('data', (data) => { output.text += data })
      return output
    })
    const workers = Array.from({ length: 4 }, () => new Worker(new URL(`data:text/javascript,${encodeURIComponent(`
      import { parentPort, workerData } from 'node:worker_threads'
      ${claim.replace("'nearwire'", JSON.stringify(import.meta.resolve('nearwire')))}
      parentPort.once('message', async () => {
        parentPort.postMessage(await claim(workerData))
        parentPort.once('message', async () => { await globalThis.listener?.close() })
      })
      parentPort.postMessage('ready')
    `)}`), { workerData: path }))
    await Promise.all(workers.map((worker) => once(worker, 'message')))
    await until(() => outputs.every(({ text }) => text.includes('ready')))
    const answers = workers.map((worker) => once(worker, 'message'))
    for (const child of processes) child.stdin.write('\n')
    for (const worker of workers) worker.postMessage('go')
    const results = (await Promise.all(answers)).map(([result]) => result)
    await until(() => outputs.every(({ text }) => /ready\n\w+\n/.test(text)))
    results.push(...outputs.map(({ text }) => text.split('\n')[1]))
    t.deepEqual(results.toSorted(), [...Array.from({ length: 7 }, () => 'EADDRINUSE'), 'won'])
    drop(await UnixStream.connect(path))
    for (const child of processes) child.stdin.end()
    for (const worker of workers) worker.postMessage('end')
    await Promise.all([...workers.map((worker) => once(worker, 'exit')), ...processes.map((child) => once(child, 'close'))])
    t.deepEqual(readdirSync(dirname(path)), [], 'the winner removed its file, and no lock was left')
  }
})

test('many take a live name over at once: each succeeds, the last one has it', async (t) => {
  const path = place(t)
  const listeners = await Promise.all(Array.from({ length: 20 }, () => UnixListener.listen(path, { takeover: true })))
  await works(t, listeners.at(-1))
  for (const listener of listeners) await listener.close()
  t.deepEqual(readdirSync(dirname(path)), [])
})

test('the mode is exact whatever the umask, and is there from the first moment', async (t) => {
  const { code, stdout, stderr } = await ran(t, `
    import { readdirSync, statSync, watch } from 'node:fs'
    import { UnixListener } from 'nearwire'
    const folder = process.argv.at(-1)
    for (const umask of [0o000, 0o022, 0o077, 0o177]) {
      process.umask(umask)
      for (const mode of [undefined, 0o600, 0o660, 0o666, 0o777, 0o000, 0o755]) {
        const listener = await UnixListener.listen(folder + '/socket', mode === undefined ? {} : { mode })
        const got = statSync(folder + '/socket').mode & 0o777
        const wanted = mode ?? 0o777 & ~umask
        if (got !== wanted) console.log('umask', umask.toString(8), 'wanted', wanted.toString(8), 'got', got.toString(8))
        await listener.close()
      }
    }
    console.log('done')
  `, { args: [directory(t)] })
  t.is(code, 0, stderr)
  t.is(stdout, 'done\n')
})

test('whoever sees the name sees its mode and can connect', async (t) => {
  const path = place(t)
  const watcher = program(t, `
    import { statSync } from 'node:fs'
    import { UnixStream } from 'nearwire'
    const path = process.argv.at(-1)
    console.log('watching')
    for (;;) {
      let mode
      try { mode = statSync(path).mode & 0o777 } catch { continue }
      const stream = await UnixStream.connect(path)
      await stream.read(Buffer.alloc(1)).catch(() => {})
      await stream.close()
      for (;;) try { statSync(path) } catch { break }
      console.log(mode.toString(8))
    }
  `, { args: [path] })
  let stdout = ''
  let stderr = ''
  watcher.stdout.on('data', (data) => { stdout += data })
  watcher.stderr.on('data', (data) => { stderr += data })
  await until(() => stdout !== '')
  for (let round = 1; round <= 10; round++) {
    const listener = await UnixListener.listen(path, { mode: 0o666 })
    drop(await listener.accept())
    await listener.close()
    await until(() => stdout.split('\n').length > round + 1 || watcher.exitCode !== null)
    t.is(watcher.exitCode, null, stderr)
  }
  t.deepEqual([...new Set(stdout.trim().split('\n').slice(1))], ['666'])
})

test('a directory without permission to create files leaves nothing behind', async (t) => {
  const folder = join(directory(t), 'missing')
  await t.throwsAsync(UnixListener.listen(join(folder, 'socket')), { instanceOf: SocketError, code: 'ENOENT' })
  mkdirSync(folder)
  chmodSync(folder, 0o700)
  await listening(t, join(folder, 'socket'))
  t.deepEqual(readdirSync(folder), ['socket'])
})

test('a stale file of node:net is replaced, its live one is not', async (t) => {
  const path = place(t)
  const server = createServer().listen(path)
  await once(server, 'listening')
  await t.throwsAsync(UnixListener.listen(path), taken)
  const over = await listening(t, path, { takeover: true })
  server.close()
  await once(server, 'close')
  // net removes whatever has the name by then, which is why takeover between the two needs care.
  t.false(existsSync(path))
  await over.close()
})
