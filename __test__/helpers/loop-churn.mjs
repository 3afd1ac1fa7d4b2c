// Starts and terminates workers in the middle of everything, by the hundred or thousand, and counts what is left open.
// Prints one line of JSON. Arguments: how many workers, and which
// tasks they are at (all).
import { once } from 'node:events'
import { readdirSync, readlinkSync } from 'node:fs'
import { Worker } from 'node:worker_threads'

import { UnixStream } from 'nearwire'

const program = new URL('./loop-worker.mjs', import.meta.url)
const tasks = process.argv[3]?.split(',') ?? ['read', 'write', 'accept', 'iterate', 'connect', 'spin', 'callback', 'exit', 'throw', 'nothing']
/** These end by themselves; the others are terminated. */
const enders = new Set(['exit', 'throw', 'nothing'])
const AT_ONCE = 6

function descriptors() {
  const found = {}
  for (const number of readdirSync('/proc/self/fd')) {
    try {
      const kind = readlinkSync(`/proc/self/fd/${number}`).replace(/:\[\d+\]/, '')
      // Node itself leaves a file open when a worker is terminated while it loads a module from it.
      if (kind.startsWith('/')) continue
      found[kind] = (found[kind] ?? 0) + 1
    } catch {
      // The one that the listing itself was read from.
    }
  }
  return Object.fromEntries(Object.entries(found).sort())
}

async function one(index) {
  const task = tasks[index % tasks.length]
  const worker = new Worker(program, { workerData: { task, name: `churn-${index}` }, stdout: true, stderr: true })
  const errors = []
  worker.on('error', (error) => errors.push(error.message))
  const ended = new Promise((resolve) => { worker.once('exit', resolve) })
  // Every third is terminated whenever it pleases: while it starts, too.
  const atRandom = index % 3 === 0 && !enders.has(task)
  if (atRandom) await new Promise((resolve) => { setTimeout(resolve, (index * 7) % 60) })
  else await Promise.race([once(worker, 'message').catch(() => {}), ended])
  if (!enders.has(task)) await worker.terminate()
  await ended
  const expected = task === 'throw' ? ['this error is part of the test'] : []
  if (JSON.stringify(errors) !== JSON.stringify(expected)) throw new Error(`${task}: ${errors}`)
}

async function churn(count) {
  let next = 0
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    while (next < count) await one(next++)
  }))
}

/** The main thread's own loop works all the while. */
const [left, right] = UnixStream.pair()
let echoes = 0
const echoing = (async () => {
  const room = new Uint8Array(8)
  while (await left.read(room) > 0) {
    echoes++
    await new Promise((resolve) => { setTimeout(resolve, 5) })
    await right.write('x').catch(() => {})
  }
})()
await right.write('x')

// The first ones also open what the process keeps: libuv's threads, the module's own.
await churn(tasks.length * 2)
const before = descriptors()
const memory = process.memoryUsage.rss()
const start = performance.now()
const count = Number(process.argv[2])
await churn(count)
const seconds = (performance.now() - start) / 1000
const grownMiB = Math.round((process.memoryUsage.rss() - memory) / 1024 / 1024)
// Node may still be closing a worker's own loop; what leaked stays.
let after = descriptors()
for (let tries = 0; JSON.stringify(after) !== JSON.stringify(before) && tries < 200; tries++) {
  await new Promise((resolve) => { setTimeout(resolve, 10) })
  after = descriptors()
}
right.shutdown('write')
await echoing
console.log(JSON.stringify({ count, before, after, echoes, seconds: Number(seconds.toFixed(1)), grownMiB }))
