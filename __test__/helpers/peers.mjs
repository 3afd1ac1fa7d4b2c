// Starts the programs of `__test__/peers`: see the README there for what they do.
import { execFile, spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, access } from 'node:fs/promises'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const folder = fileURLToPath(new URL('../peers/', import.meta.url))
const cache = fileURLToPath(new URL('../../node_modules/.cache/nearwire-peers/', import.meta.url))
const compilerFlags = ['-O2', '-std=gnu17', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror']

const run = promisify(execFile)

/** Whether a Python interpreter is there; a test without one skips aloud. */
export const hasPython = spawnSync('python3', ['--version']).status === 0

/** The peers that can run here: use as `for (const peer of peers) test(...)`. */
export const peers = hasPython ? ['c', 'python'] : ['c']

/** The bytes that the peers send and check, from a position on. */
export function pattern(length, position = 0) {
  const data = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) {
    const at = position + i
    data[i] = at * 31 + (at >> 8) * 7 + (at >> 16)
  }
  return data
}

/** The bytes of message number `index` of `send-messages` and `receive-messages`. */
export function numberedMessage(size, index) {
  const data = pattern(size, index)
  if (size >= 4) data.writeUInt32BE(index, 0)
  return data
}

/** FNV-1a of 32 bits, as the peers print it. */
export function checksum(data) {
  let state = 2166136261
  for (const byte of data) state = Math.imul(state ^ byte, 16777619)
  return state >>> 0
}

let compiled

/**
 * Compiles the peer in C once for each content of its sources. The name of the
 * result holds their hash and `rename` puts it there whole, so any number of
 * test processes may do this at once.
 */
function compilePeer() {
  compiled ??= (async () => {
    const names = (await readdir(join(folder, 'c'))).sort()
    const hash = createHash('sha256').update(`${process.arch} ${compilerFlags}`)
    for (const name of names) hash.update(name).update(await readFile(join(folder, 'c', name)))
    const program = join(cache, `peer-${hash.digest('hex').slice(0, 16)}`)
    try {
      await access(program)
    } catch {
      await mkdir(cache, { recursive: true })
      const temporary = `${program}.${process.pid}.${Math.random().toString(36).slice(2)}`
      const sources = names.filter((name) => name.endsWith('.c')).map((name) => join(folder, 'c', name))
      await run('cc', [...compilerFlags, ...sources, '-o', temporary])
      await rename(temporary, program)
    }
    return program
  })()
  return compiled
}

const running = new Set()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A peer that has started. Made by {@link startPeer}. */
class Peer {
  /** Every line of JSON so far, in order. */
  lines = []
  #taken = 0
  #waiting = []
  #ended = false
  #stderr = ''

  constructor(child) {
    this.process = child
    running.add(child)
    let listening
    /** Settles when the peer listens or is connected; rejects if it never will. */
    this.ready = new Promise((resolve, reject) => {
      listening = { resolve, reject }
    })
    this.ready.catch(() => {})
    child.stderr.setEncoding('utf8').on('data', (text) => {
      this.#stderr += text
    })
    const output = createInterface({ input: child.stdout })
    output.on('line', (line) => {
      if (line === 'ready') return listening.resolve()
      this.lines.push(JSON.parse(line))
      this.#hand()
    })
    /** `{ code, signal, stderr }` once the peer has ended and all its lines are in. */
    this.exit = Promise.all([once(child, 'close'), once(output, 'close')]).then(([[code, signal]]) => {
      running.delete(child)
      this.#ended = true
      listening.reject(this.#failure())
      this.#hand()
      return { code, signal, stderr: this.#stderr }
    })
  }

  #failure() {
    const last = JSON.stringify(this.lines.at(-1) ?? null)
    return new Error(`the peer has ended (last line ${last}) ${this.#stderr}`.trim())
  }

  #hand() {
    while (this.#waiting.length > 0 && (this.#taken < this.lines.length || this.#ended)) {
      const { resolve, reject } = this.#waiting.shift()
      if (this.#taken < this.lines.length) resolve(this.lines[this.#taken++])
      else reject(this.#failure())
    }
  }

  /** The next line that nobody has taken yet; rejects when the peer ends first. */
  line() {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject })
      this.#hand()
    })
  }

  /** The next line of one action, passing over those before it. */
  async result(action) {
    for (;;) {
      const line = await this.line()
      if (line.action === action) return line
      if (line.error) throw new Error(`the peer failed: ${JSON.stringify(line)}`)
    }
  }

  /** Ends a `pause`. */
  resume() {
    this.process.stdin.write('\n')
  }

  /** Kills the peer, if it is still there, and waits until it is gone. */
  async stop(signal = 'SIGKILL') {
    this.process.kill(signal)
    return this.exit
  }

  [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    return this.stop()
  }
}

/**
 * Starts a peer: `await startPeer(t, 'c', ['stream', 'server', path, 'echo'])`.
 * It is `ready` when this returns, and gone when the test `t` (AVA's execution
 * context, or anything with a `teardown`) is over, whatever happens.
 *
 * @param {{ teardown(callback: () => unknown): void }} t
 * @param {'c' | 'python'} name which of the two programs
 * @param {string[]} args its command line: kind, role, address, options, actions
 * @param {import('node:child_process').SpawnOptions & { ready?: boolean }} [options]
 *   `ready: false` does not wait: for a peer that is meant to fail, or to connect later
 */
export async function startPeer(t, name, args, { ready = true, ...options } = {}) {
  const [program, ...before] =
    name === 'c' ? [await compilePeer()] : ['python3', join(folder, 'python', 'peer.py')]
  const child = spawn(program, [...before, ...args], { stdio: ['pipe', 'pipe', 'pipe'], ...options })
  // A peer that ends while `resume` writes to it is the test's business only through `exit`.
  child.stdin.on('error', () => {})
  const peer = new Peer(child)
  t.teardown(() => peer.stop())
  if (ready) await peer.ready
  return peer
}
