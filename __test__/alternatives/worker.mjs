// In a worker: says hello with a column's socket, and tells what came back.
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { parentPort, workerData } from 'node:worker_threads'

import { within } from './outcome.mjs'
import { anySocket } from './rows/objects.mjs'

const { name, folder, index } = workerData
const column = await import(`./columns/${name}.mjs`)
const mine = join(folder, index)
mkdirSync(mine)
const connection = await anySocket({ column, at: (peer) => join(folder, '..', peer), own: (file) => join(mine, file) })
await connection.send(Buffer.from('hello'))
parentPort.postMessage((await within(connection.next())).data.toString())
