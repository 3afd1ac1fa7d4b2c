// Results into `results.json`, and tables between the markers of README.md and docs/performance.md.
import { readFile, writeFile } from 'node:fs/promises'
import { position } from './rows.mjs'

const file = (path) => new URL(path, import.meta.url)
const START = '<!-- bench:start -->'
const END = '<!-- bench:end -->'

export async function readResults() {
  try {
    return JSON.parse(await readFile(file('../results.json'), 'utf8'))
  } catch (error) {
    if (error.code === 'ENOENT') return []
    throw error
  }
}

export async function writeResults(results) {
  results.sort((a, b) => position(a.row) - position(b.row))
  await writeFile(file('../results.json'), `${JSON.stringify(results, null, 2)}\n`)
}

const prefixes = [[1e9, 'G'], [1e6, 'M'], [1e3, 'k'], [1, '']]

/** 5210000 'messages/s' to '5.21 M messages/s'; times and sizes stay as they are. */
export function show(value, unit) {
  if (value === null || value === undefined) return 'absent'
  const [scale, prefix] = unit.endsWith('/s') ? (prefixes.find(([size]) => value >= size) ?? [1, '']) : [1, '']
  return `${Number((value / scale).toPrecision(3))} ${prefix}${prefix && unit.startsWith('B') ? '' : prefix ? ' ' : ''}${unit}`
}

const times = (ratio) => `${ratio.toFixed(ratio < 10 ? 2 : 0)}x`

function verdict({ atLeast, atMost, ratio, met, missedBy }) {
  const target = atLeast === undefined ? `at most ${times(atMost)}` : `at least ${times(atLeast)}`
  if (met === null) return `not measured (target ${target})`
  const outcome = met ? `target ${target}` : `target ${target}, **missed by ${Math.max(1, Math.round(missedBy * 100))} %**`
  return `${times(ratio)} (${outcome})`
}

const targetsOf = (result, peer) => result.targets.filter((target) => target.peer === peer)

/** What is printed as soon as a row is measured. */
export function summary(result) {
  const lines = [`\n${result.row}: ${show(result.ours, result.unit)}`]
  for (const [name, value] of Object.entries(result.variants ?? {})) lines.push(`  nearwire ${name}: ${show(value, result.unit)}`)
  for (const [peer, value] of Object.entries(result.peers)) {
    const verdicts = targetsOf(result, peer).map((target) => (target.variant ? `${target.variant}: ` : '') + verdict(target))
    const ratio = result.ours && value ? times(result.ours / value) : ''
    lines.push(`  ${peer}: ${show(value, result.unit)}  ${verdicts.join('; ') || ratio}`)
  }
  for (const [name, reason] of Object.entries(result.failures)) lines.push(`  failed: ${name}: ${reason}`)
  return lines.join('\n')
}

const cell = (text) => text.replaceAll('|', '\\|')

/** One line a row, for someone who decides in two minutes: what has a target, or all peers of a row without any. */
function shortTable(results) {
  const lines = ['| row | nearwire | against |', '| --- | --- | --- |']
  for (const result of results) {
    const aimed = result.targets.map(
      (target) =>
        `${target.variant ? `${target.variant} to ` : ''}${target.peer} ${show(result.peers[target.peer], result.unit)}: ${verdict(target)}`,
    )
    const beside = Object.entries(result.peers).map(
      ([peer, value]) => `${peer} ${show(value, result.unit)}${result.ours && value ? `: ${times(result.ours / value)}` : ''}`,
    )
    const against = aimed.length > 0 ? aimed : beside
    lines.push(`| \`${result.row}\` | ${show(result.ours, result.unit)} | ${cell(against.join('<br>'))} |`)
  }
  return lines.join('\n')
}

/** Everything that was measured, the absent ones with their reasons. */
function fullTable(results) {
  const lines = ['| row | what | value | nearwire to it |', '| --- | --- | --- | --- |']
  for (const result of results) {
    lines.push(`| \`${result.row}\`: ${result.title} | **nearwire** | ${show(result.ours, result.unit)} | ${cell(result.failures.nearwire ?? '')} |`)
    for (const [name, value] of Object.entries(result.variants ?? {})) {
      lines.push(`| | nearwire, ${name} | ${show(value, result.unit)} | ${cell(result.failures[name] ?? '')} |`)
    }
    for (const [peer, value] of Object.entries(result.peers)) {
      const verdicts = targetsOf(result, peer).map((target) => (target.variant ? `${target.variant}: ` : '') + verdict(target))
      const ratio = result.ours && value ? times(result.ours / value) : ''
      lines.push(`| | ${cell(peer)} | ${show(value, result.unit)} | ${cell(result.failures[peer] ?? (verdicts.join('; ') || ratio))} |`)
    }
  }
  return lines.join('\n')
}

function machineLine(results) {
  const machines = [...new Set(results.map((result) => `${result.machine} (${result.date})`))]
  const rounds = results.map((result) => result.rounds)
  const [least, most] = [Math.min(...rounds), Math.max(...rounds)]
  return `Medians of ${least === most ? least : `${least} to ${most}`} interleaved rounds, both sides pinned to cores. ${machines.join('; ')}.`
}

async function replaceBetweenMarkers(path, text) {
  let content
  try {
    content = await readFile(file(path), 'utf8')
  } catch (error) {
    if (error.code === 'ENOENT') return console.log(`${path} is not there: no table written`)
    throw error
  }
  const start = content.indexOf(START)
  const end = content.indexOf(END)
  if (start < 0 || end < start) return console.log(`${path} has no ${START} ... ${END}: no table written`)
  await writeFile(file(path), `${content.slice(0, start + START.length)}\n${text}\n${content.slice(end)}`)
}

export async function writeTables(results) {
  if (results.length === 0) return
  const line = machineLine(results)
  await replaceBetweenMarkers('../../README.md', `${shortTable(results)}\n\n${line}`)
  await replaceBetweenMarkers('../../docs/performance.md', `${fullTable(results)}\n\n${line}`)
}
