// Programs run as processes of their own: what they print, how they end, and no one left behind.

import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..', '..')

/** Starts a Node program of this repository; it is killed when the test ends. */
export function start(t, program, ...args) {
  return startCommand(t, process.execPath, join(root, program), ...args)
}

/** Starts any program. */
export function startCommand(t, command, ...args) {
  const child = spawn(command, args, { cwd: root, stdio: ['pipe', 'pipe', 'pipe'] })
  t.teardown(() => child.kill('SIGKILL'))
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  let errors = ''
  child.stderr.on('data', (text) => { errors += text })
  const exit = new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (status, signal) => resolve(signal ?? status))
  })
  return {
    process: child,
    /** The next line that it prints; throws what it complained about when it ends instead. */
    async line() {
      const { done, value } = await lines.next()
      if (done) throw new Error(`${command} ${args.join(' ')} ended: ${errors}`)
      return value
    },
    /** All lines that are left. */
    async rest() {
      const all = []
      for (let next = await lines.next(); !next.done; next = await lines.next()) all.push(next.value)
      return all
    },
    /** Its status, or the signal that ended it. */
    exit,
    errors: () => errors,
  }
}
