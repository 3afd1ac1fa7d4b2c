// npm run bench [-- row...] [--quick] [--rounds N] [--list]
// Measures ours and the peers in interleaved rounds and writes what came out.
import { parseArgs } from 'node:util'
import { runRow } from './harness/contest.mjs'
import { machine } from './harness/machine.mjs'
import { installPeers } from './harness/programs.mjs'
import { readResults, writeResults, writeTables, summary } from './harness/report.mjs'
import { loadRows } from './harness/rows.mjs'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false }, // a smoke test: tiny amounts, one round, nothing written
    rounds: { type: 'string' },
    list: { type: 'boolean', default: false },
    report: { type: 'boolean', default: false }, // tables and picture from the results that are there
  },
})

const rows = await loadRows(positionals)
if (values.list) {
  for (const row of rows) console.log(`${row.row.padEnd(26)} ${row.title}`)
  process.exit()
}

let results = await readResults()
if (!values.report) {
  console.log(machine())
  for (const row of rows) {
    const rounds = Number(values.rounds ?? (values.quick ? 1 : (row.rounds ?? 7)))
    const result = await runRow(row, { rounds, quick: values.quick })
    console.log(summary(result))
    if (result.ours === null) process.exitCode = 1
    results = [...results.filter((other) => other.row !== row.row), result]
    // After every row: an interrupted run keeps what it has measured.
    if (!values.quick) await writeResults(results)
  }
}
if (!values.quick) {
  await writeTables(results)
  await installPeers()
  const { drawChart } = await import('./npm/chart.mjs')
  await drawChart(results)
}
