// Tests inside a network namespace of their own. A process cannot move itself there (unshare(2) is not Node's to call), so
// the whole test file runs a second time: AVA loads it and starts it again under unshare(1), where its bodies run, one after
// the other, and say how they ended. As root that takes no more; without, a user namespace makes it possible.
//
// Inside, the process is root as far as its namespaces go, and /run is its own: `ip netns add` leaves nothing behind.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export const inside = process.env.NEARWIRE_NAMESPACE === '1'

const unshare = ['--net', '--mount', ...(process.getuid() === 0 ? [] : ['--user', '--map-root-user'])]
const prepare = 'mount -t tmpfs none /run && ip link set lo up && exec "$@"'
const started = []

/** `const test = await inNamespace(import.meta.url)`, and then `test(title, async (t) => ...)` with node:assert. */
export async function inNamespace(url) {
  return inside ? runner() : announcer(fileURLToPath(url))
}

async function announcer(file) {
  const { default: ava } = await import('ava')
  const possible = spawnSync('unshare', [...unshare, 'sh', '-c', prepare, 'sh', 'true'], { encoding: 'utf8' })
  if (possible.status !== 0) {
    const reason = possible.error?.message ?? possible.stderr.trim()
    return (title) => ava.skip(`${title} (no network namespace: ${reason})`, () => {})
  }
  let running
  return (title, body) => {
    ava(title, async (t) => {
      t.timeout(120_000)
      running ??= runInside(file)
      const { error, skipped } = await running.outcome(title)
      if (skipped !== undefined) t.log(`skipped: ${skipped}`)
      if (error === undefined) t.pass()
      else t.fail(error)
    })
    void body
  }
}

function runInside(file) {
  const child = spawn('unshare', [...unshare, 'sh', '-c', prepare, 'sh', process.execPath, '--expose-gc', file], {
    env: { ...process.env, NEARWIRE_NAMESPACE: '1' },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  process.once('exit', () => child.kill('SIGKILL'))
  const outcomes = new Map()
  const of = (title) => {
    if (!outcomes.has(title)) {
      let settle
      const promise = new Promise((resolve) => { settle = resolve })
      outcomes.set(title, { promise, settle })
    }
    return outcomes.get(title)
  }
  let said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { said += data })
  let ended
  child.on('message', ({ title, ...outcome }) => of(title).settle(outcome))
  child.once('close', (code, signal) => {
    ended = `the process inside ended (${signal ?? code}) without a word about this test\n${said}`
    for (const { settle } of outcomes.values()) settle({ error: ended })
  })
  return {
    outcome(title) {
      const { promise, settle } = of(title)
      if (ended !== undefined) settle({ error: ended })
      return promise
    },
  }
}

function runner() {
  const tests = []
  const test = (title, body) => {
    if (tests.length === 0) setImmediate(run)
    tests.push({ title, body })
  }
  async function run() {
    for (const { title, body } of tests) {
      const teardowns = []
      const t = {
        after: (teardown) => teardowns.push(teardown),
        skip: (reason) => { throw Object.assign(new Error('skipped'), { skipped: reason }) },
      }
      const outcome = { title }
      const failed = (error) => {
        if (error?.skipped !== undefined) outcome.skipped = error.skipped
        else outcome.error ??= error?.stack ?? String(error)
      }
      // A test that hangs must say which one it was, not take the others with it.
      let watch
      const late = new Promise((_, reject) => {
        watch = setTimeout(() => reject(new Error('still running after 60 s')), 60_000)
      })
      await Promise.race([(async () => body(t))(), late]).catch(failed)
      clearTimeout(watch)
      for (const teardown of teardowns.toReversed()) await Promise.resolve().then(teardown).catch(failed)
      process.send(outcome)
    }
    for (const child of started) child.kill('SIGKILL')
    process.disconnect()
  }
  return test
}

/** A program in this namespace, ended with it. Answers its output when it ends, or line by line. */
export function start(command, args, options = {}) {
  const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'], ...options, env: { ...process.env, NEARWIRE_NAMESPACE: '' } })
  started.push(child)
  let out = ''
  let error = ''
  const waiting = []
  const look = () => {
    for (let i = waiting.length - 1; i >= 0; i--) if (out.includes(waiting[i].text)) waiting.splice(i, 1)[0].resolve()
  }
  child.stdout.on('data', (data) => { out += data; look() })
  child.stderr.on('data', (data) => { error += data })
  const ended = once(child, 'close').then(([code]) => {
    for (const { text, reject } of waiting) reject(new Error(`ended (${code}) without ${JSON.stringify(text)}: ${out}${error}`))
    return { code, out, error }
  })
  return {
    child,
    ended,
    get out() { return out },
    /** Settles once the text has been printed. */
    said: (text) => new Promise((resolve, reject) => {
      waiting.push({ text, resolve, reject })
      look()
      if (child.exitCode !== null && waiting.length > 0) ended.then(look)
    }),
  }
}

/** Another network namespace, held by a process; its path and how to run something there. */
export async function otherNamespace(t) {
  const holder = start('unshare', ['--net', 'sh', '-c', 'ip link set lo up && echo ready && exec cat'])
  await holder.said('ready')
  t.after(async () => {
    holder.child.stdin.end()
    await holder.ended
  })
  return { path: `/proc/${holder.child.pid}/ns/net`, pid: holder.child.pid }
}
