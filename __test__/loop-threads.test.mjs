// Wakes that come from other threads: workers on one end, the main thread on the other.
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'

import test from 'ava'
import { UnixStream } from 'nearwire'

const program = new URL('./helpers/loop-worker.mjs', import.meta.url)

/** Gives one end to a worker, by the number of its descriptor. */
function startWorker(task, more = {}) {
  const [ours, theirs] = UnixStream.pair()
  const worker = new Worker(program, { workerData: { task, fd: theirs.detach(), ...more } })
  return { stream: ours, worker, ended: once(worker, 'exit') }
}

test('every byte that a worker sends one at a time wakes the main thread', async (t) => {
  const { stream, ended } = startWorker('echo')
  const room = new Uint8Array(16)
  for (let round = 0; round < 5_000; round++) {
    await stream.write(Uint8Array.of(round & 0xff))
    const count = await stream.read(room)
    if (count !== 1 || room[0] !== (round & 0xff)) t.fail(`round ${round}: ${count} bytes, ${room[0]}`)
  }
  await stream.close()
  t.deepEqual(await ended, [0])
})

test('the messages of several workers at once arrive whole and in order', async (t) => {
  const count = 20_000
  const workers = Array.from({ length: 4 }, (_, index) => startWorker('send', { name: `worker-${index}`, count }))
  await Promise.all(workers.map(async ({ stream, ended }, index) => {
    let next = 0
    for await (const message of stream.framed()) {
      if (message.toString() !== `worker-${index} ${next}`) t.fail(`expected ${index} ${next}, got ${message}`)
      next++
    }
    t.is(next, count)
    t.deepEqual(await ended, [0])
  }))
})
