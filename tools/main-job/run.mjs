// The main job: two processes over a real socket file. First the smallest conversation there is, then a million framed
// messages each way, with Node's own `net` doing the same work beside it.

import { fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import cliProgress from 'cli-progress'
import Table from 'cli-table3'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '1000000' },
    size: { type: 'string', default: '64' },
    trips: { type: 'string', default: '20000' },
  },
})
const work = { messages: Number(values.messages), size: Number(values.size), trips: Number(values.trips) }
for (const [name, value] of Object.entries(work)) {
  if (!Number.isSafeInteger(value) || value < 1) {
    console.error(`--${name} must be a positive integer, not ${values[name]}`)
    process.exit(1)
  }
}

const folder = mkdtempSync(join(tmpdir(), 'nearwire-'))
try {
  await smallest(join(folder, 'first.sock'))
  const results = {}
  for (const transport of ['nearwire', 'net']) results[transport] = await measure(transport, join(folder, `${transport}.sock`))
  report(results)
} finally {
  rmSync(folder, { recursive: true })
}

/** The two example programs, as processes of their own. */
async function smallest(path) {
  const example = (name) => join(import.meta.dirname, '..', '..', 'examples', name)
  const server = spawn(process.execPath, [example('stream-server.mjs'), path], { stdio: ['ignore', 'pipe', 'inherit'] })
  await once(server.stdout, 'data')
  const client = spawn(process.execPath, [example('stream-client.mjs'), path], { stdio: 'inherit' })
  const [status] = await once(client, 'exit')
  server.kill()
  await once(server, 'exit')
  if (status !== 0) throw new Error(`the example client ended with status ${status}`)
}

/** The same work over one transport: a server process that echoes, a client process that sends and counts. */
async function measure(transport, path) {
  const program = join(import.meta.dirname, `${transport}.mjs`)
  const server = fork(program, ['server', path])
  await once(server, 'message')
  const client = fork(program, ['client', path, JSON.stringify(work)])
  const bar = new cliProgress.SingleBar({
    format: `${transport.padEnd(9)} {bar} {value}/{total} messages each way`,
    hideCursor: true,
    noTTYOutput: true,
    notTTYSchedule: 60_000,
  }, cliProgress.Presets.shades_classic)
  bar.start(work.messages, 0)
  const result = await new Promise((resolve, reject) => {
    client.on('message', (message) => {
      if ('received' in message) bar.update(message.received)
      else resolve(message)
    })
    client.once('exit', (status) => reject(new Error(`the ${transport} client ended with status ${status}`)))
  })
  bar.update(work.messages)
  bar.stop()
  server.kill()
  await once(server, 'exit')
  return result
}

function report(results) {
  const table = new Table({
    head: ['', 'messages/s', 'GB/s', 'round trip p50', 'p99', 'p99.9'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  })
  for (const [transport, { seconds, percentiles }] of Object.entries(results)) {
    const rate = 2 * work.messages / seconds
    table.push([
      transport,
      Math.round(rate).toLocaleString('en'),
      (rate * work.size / 1e9).toFixed(3),
      ...percentiles.map((nanoseconds) => `${(nanoseconds / 1000).toFixed(1)} us`),
    ])
  }
  console.log(`\n${work.messages.toLocaleString('en')} messages of ${work.size} bytes each way, then ${work.trips.toLocaleString('en')} round trips one at a time:`)
  console.log(table.toString())
  const { nearwire, net } = results
  console.log(`nearwire carries ${(net.seconds / nearwire.seconds).toFixed(1)} times as many messages as net.`)
}
