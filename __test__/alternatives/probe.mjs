// One cell of the README's feature table: `probe.mjs <column> <folder>` reads the row from its input, tries it, and says what it showed.
//
// A process of its own for each: a column may crash, hang or spin, which is a finding too. Standard input and output
// carry lines of JSON: the row comes in, questions to the peer go out and their answers come in, and the outcome goes out.
import { createInterface } from 'node:readline'
import { join } from 'node:path'
import process from 'node:process'

import { ABSENT } from './outcome.mjs'
import { kinds } from './rows/kinds.mjs'
import { names } from './rows/names.mjs'
import { anySocket, objects } from './rows/objects.mjs'
import { surfaceOf } from './surface.mjs'

const [name, folder] = process.argv.slice(2)
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
const heard = async () => JSON.parse((await lines.next()).value)
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`)

const row = await heard()
let outcome
try {
  const column = await import(`./columns/${name}.mjs`)
  const given = {
    name,
    column,
    folder,
    at: (peer) => join(folder, '..', peer),
    own: (file) => join(folder, file),
    peer: async (question) => {
      say({ question })
      return heard()
    },
  }
  outcome = row === 'every name'
    ? { surface: surfaceOf(column.api, column.more, (await anySocket(given)).socket) }
    : { shows: await { ...kinds, ...names, ...objects }[row](given) }
} catch (error) {
  // It refuses, by an error of its own.
  outcome = { shows: ABSENT, because: `${error.name}: ${error.message}` }
}
await new Promise((resolve) => { process.stdout.write(`${JSON.stringify(outcome)}\n`, resolve) })
process.kill(process.pid, 'SIGKILL')
