// examples/restart.mjs: replaced three times under load, and not one request fails.
import test from 'ava'
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { UnixStream } from 'nearwire'
import { place, root } from './helpers/sockets.mjs'

/** Asks one thing after another on a connection; each answer must be whole and in order. */
class Client {
  #stream
  #lines
  /** How many answers came from which process. */
  answers = new Map()

  static async connect(path) {
    const client = new Client()
    client.#stream = await UnixStream.connect(path)
    client.#lines = createInterface({ input: client.#stream.toDuplex() })[Symbol.asyncIterator]()
    return client
  }

  /** One request, in two pieces, for a restart may come between them. */
  async ask(question) {
    const half = question.length >> 1
    await this.#stream.write(question.slice(0, half))
    await new Promise((resolve) => { setImmediate(resolve) })
    await this.#stream.write(`${question.slice(half)}\n`)
    const { done, value } = await this.#lines.next()
    if (done) throw new Error(`the connection ended instead of answering ${question}`)
    const [pid, ...rest] = value.split(' ')
    if (rest.join(' ') !== question) throw new Error(`${value} is no answer to ${question}`)
    this.answers.set(Number(pid), (this.answers.get(Number(pid)) ?? 0) + 1)
    return Number(pid)
  }

  close() {
    return this.#stream.close()
  }
}

test('listener and live connections go from process to process three times, under load', async (t) => {
  const path = place(t)
  const first = spawn(process.execPath, ['examples/restart.mjs', path], { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  const pids = [first.pid]
  t.teardown(() => {
    for (const pid of pids) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended, as it should.
      }
    }
  })
  // Its successors write to the same pipe.
  const output = createInterface({ input: first.stdout })[Symbol.asyncIterator]()
  const generation = async () => {
    const { value = '' } = await output.next()
    const [, pid, count] = /^process (\d+) serves, having taken over (\d+) connections$/.exec(value) ?? t.fail(value)
    return [Number(pid), Number(count)]
  }
  t.deepEqual(await generation(), [first.pid, 0])

  const RESIDENTS = 20
  const residents = await Promise.all(Array.from({ length: RESIDENTS }, () => Client.connect(path)))
  let over = false
  let visitors = 0
  const load = [
    ...residents.map(async (client, number) => {
      for (let count = 0; !over; count++) await client.ask(`resident ${number} request ${count}`)
    }),
    // Others come and go all the time.
    ...[1, 2, 3].map(async (number) => {
      for (; !over; visitors++) {
        const client = await Client.connect(path)
        await client.ask(`visitor ${number} ${visitors}`)
        await client.close()
      }
    }),
  ]
  // A failure shows at once, not after the restarts.
  const failed = Promise.all(load)
  const allAnsweredBy = async (pid) => {
    while (!residents.every(({ answers }) => answers.has(pid))) {
      await Promise.race([new Promise((resolve) => { setTimeout(resolve, 1) }), failed])
    }
  }
  await allAnsweredBy(first.pid)
  for (let round = 0; round < 3; round++) {
    process.kill(pids.at(-1), 'SIGHUP')
    const [pid, inherited] = await Promise.race([generation(), failed])
    t.true(inherited >= RESIDENTS, `${inherited} connections were taken over`)
    pids.push(pid)
    await allAnsweredBy(pid)
  }
  over = true
  await failed
  for (const client of residents) t.deepEqual([...client.answers.keys()], pids, 'every process in its turn')
  t.true(visitors > 0)
  t.log(`${visitors} visitors, ${residents.reduce((sum, { answers }) => sum + [...answers.values()].reduce((one, other) => one + other), 0)} requests on ${RESIDENTS} connections, 4 processes`)
  await Promise.all(residents.map((client) => client.close()))
})
