// What both transports are asked to do; each brings `server(path)` and `client(path)`.

import { createHistogram } from 'node:perf_hooks'

/** Messages between two progress reports. */
const STEP = 10_000

export async function run({ server, client }) {
  const [role, path, work] = process.argv.slice(2)
  if (role === 'server') {
    await server(path)
    process.send('ready')
    return
  }
  const { messages, size, trips } = JSON.parse(work)
  const connection = await client(path)
  const payload = Buffer.alloc(size, 'A')
  const seconds = await stream(connection, payload, messages)
  const percentiles = await roundTrips(connection, payload, trips)
  await connection.close()
  process.send({ seconds, percentiles })
  process.disconnect()
}

/** Sends all, receives as many; seconds. */
async function stream({ send, receive }, payload, messages) {
  const begin = performance.now()
  const receiving = (async () => {
    for (let received = 1; received <= messages; received++) {
      const message = await receive()
      if (message.length !== payload.length) throw new Error(`message ${received} has ${message.length} bytes`)
      if (received % STEP === 0) process.send({ received })
    }
  })()
  for (let sent = 0; sent < messages; sent++) {
    const wait = send(payload)
    if (wait !== undefined) await wait
  }
  await receiving
  return (performance.now() - begin) / 1000
}

/** One message at a time; the 50th, 99th and 99.9th percentile in nanoseconds. */
async function roundTrips({ send, receive }, payload, trips) {
  const histogram = createHistogram()
  for (let trip = 0; trip < trips; trip++) {
    const begin = process.hrtime.bigint()
    send(payload)
    await receive()
    histogram.record(process.hrtime.bigint() - begin)
  }
  return [50, 99, 99.9].map((percentile) => histogram.percentile(percentile))
}
