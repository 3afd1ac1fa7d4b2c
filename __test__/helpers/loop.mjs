// What the tests of the loop share: scripts in processes of their own, and peers by node:net.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const packageFolder = fileURLToPath(new URL('../..', import.meta.url))

/** How long something may take that happens at once unless it never does. */
export const LIMIT = 30_000

/**
 * Runs the text of a module in a process of its own, in which `nearwire` can be imported, to its end: a script that
 * does not end is killed, and answers `signal: 'SIGKILL'`.
 */
export async function runScript(text, { args = [], env = {}, nodeOptions = [], shell, limit = LIMIT } = {}) {
  const command = [process.execPath, ...nodeOptions, '--input-type=module', '-e', text, '--', ...args]
  const [program, ...rest] = shell === undefined ? command : ['sh', '-c', `${shell}; exec "$@"`, 'sh', ...command]
  return finished(spawn(program, rest, options(env)), limit)
}

/** Runs a program to its end, as `runScript()` does. */
export function runProgram(program, args, { env = {}, limit = LIMIT } = {}) {
  return finished(spawn(program, args, options(env)), limit)
}

function options(env) {
  return { cwd: packageFolder, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }
}

async function finished(child, limit) {
  const output = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr']) {
    child[name].setEncoding('utf8').on('data', (text) => { output[name] += text })
  }
  const timer = setTimeout(() => child.kill('SIGKILL'), limit)
  const [code, signal] = await once(child, 'close')
  clearTimeout(timer)
  return { code, signal, ...output }
}

/** A folder of the test's own, gone after it. */
export async function folder(t) {
  const made = await mkdtemp(join(tmpdir(), 'nearwire-'))
  t.teardown(() => rm(made, { recursive: true, force: true }))
  return made
}

/** Listens with node:net and answers the path, and a promise of all bytes that the first client sends. */
export async function collector(t) {
  const path = join(await folder(t), 'collector.sock')
  const server = createServer({ allowHalfOpen: true })
  server.listen(path)
  await once(server, 'listening')
  t.teardown(() => server.close())
  const received = once(server, 'connection').then(async ([socket]) => {
    const pieces = []
    try {
      for await (const piece of socket) pieces.push(piece)
    } catch (error) {
      if (error.code !== 'ECONNRESET') throw error
    }
    socket.destroy()
    return Buffer.concat(pieces)
  })
  return { path, received }
}

/** The payloads of messages with a length of four bytes, big-endian, before each. */
export function* lengthPrefixed(bytes) {
  for (let at = 0; at < bytes.length;) {
    const length = bytes.readUInt32BE(at)
    yield bytes.subarray(at + 4, at + 4 + length)
    at += 4 + length
  }
}
