// What the socket tests share: places for names, connected streams, and programs of their own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { UnixListener, UnixStream } from 'nearwire'

export const root = fileURLToPath(new URL('../../', import.meta.url))

/** A directory that is gone after the test; others may create files in it. */
export function directory(t) {
  const folder = mkdtempSync(join(tmpdir(), 'nearwire-'))
  chmodSync(folder, 0o777)
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** A name for a socket in a directory of its own. */
export function place(t, name = 'socket') {
  return join(directory(t), name)
}

let names = 0

/** An abstract name that nobody else has. */
export function abstractName(text = '') {
  return `nearwire-test-${process.pid}-${Math.random().toString(36).slice(2)}-${names++}${text}`
}

/** A listener that is closed after the test. */
export async function listening(t, address = place(t), options) {
  const listener = await UnixListener.listen(address, options)
  t.teardown(() => listener.close())
  return listener
}

/** Two streams connected through a listener, closed after the test. */
export async function connection(t, options) {
  const listener = await listening(t)
  const [client, server] = await Promise.all([UnixStream.connect(listener.address, options), listener.accept()])
  for (const stream of [client, server]) t.teardown(() => drop(stream))
  return { listener, client, server }
}

/** Two streams connected to each other, closed after the test. */
export function pair(t) {
  const streams = UnixStream.pair()
  for (const stream of streams) t.teardown(() => drop(stream))
  return streams
}

/** Closes without waiting for a peer to read what was sent. */
export function drop(stream) {
  void stream.close()
}

/** The handle, which is closed after the test. */
export function closing(t, handle) {
  t.teardown(() => drop(handle))
  return handle
}

/** A descriptor as it comes from another process. */
export async function passed(t, fd) {
  const [left, right] = pair(t)
  await left.sendMessage({ data: 'x', fds: [fd] })
  const { fds } = await right.receiveMessage()
  return fds[0]
}

/** A descriptor that Node does not know of, as one that was received: it would close its own once more with the worker. */
export async function opened(t, path, flags = 'r') {
  const fd = openSync(path, flags)
  try {
    return await passed(t, fd)
  } finally {
    closeSync(fd)
  }
}

/** So many bytes; fails when the stream ends before. */
export async function readExactly(stream, length) {
  const bytes = Buffer.alloc(length)
  let have = 0
  while (have < length) {
    const count = await stream.read(bytes.subarray(have))
    if (count === 0) throw new Error(`the stream ended after ${have} of ${length} bytes`)
    have += count
  }
  return bytes
}

/** Everything until the end. */
export async function readAll(stream) {
  const chunks = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export async function collect(iterable) {
  const all = []
  for await (const one of iterable) all.push(one)
  return all
}

/** Fills what the kernel holds for a stream whose peer does not read; answers the promise of the write that waits. */
export function clog(stream, size = 4 * 1024 * 1024) {
  return stream.write(Buffer.alloc(size, 'x'))
}

/** Whether a promise is settled by the time that the event loop has gone round a few times. */
export async function isSettled(promise) {
  let settled = false
  promise.then(() => { settled = true }, () => { settled = true })
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => { setImmediate(resolve) })
  return settled
}

/** Goes round the event loop until something is so. */
export async function until(condition) {
  while (!(await condition())) await new Promise((resolve) => { setTimeout(resolve, 1) })
}

/** Runs a module's source in a Node of its own, which is gone after the test; `nearwire` can be imported there. */
export function program(t, source, { args = [], execArgv = [], env = {}, command = [] } = {}) {
  const line = [...command, process.execPath, ...execArgv, '--input-type=module', '-e', source, '--', ...args]
  const child = spawn(line[0], line.slice(1), {
    cwd: root, stdio: ['pipe', 'pipe', 'pipe'], env: { ...process.env, ...env },
  })
  child.stdin.on('error', () => {})
  t.teardown(() => child.kill('SIGKILL'))
  return child
}

/** The same to its end: `{ code, signal, stdout, stderr }`. */
export async function ran(t, source, options) {
  const child = program(t, source, options)
  let stdout = ''
  let stderr = ''
  child.stdout.setEncoding('utf8').on('data', (text) => { stdout += text })
  child.stderr.setEncoding('utf8').on('data', (text) => { stderr += text })
  const [code, signal] = await once(child, 'close')
  return { code, signal, stdout, stderr }
}
