// results.json as a picture: how many times better than each peer, and where the target is.
import { writeFile } from 'node:fs/promises'
import { compile } from 'vega-lite'
import * as vega from 'vega'

/** Turned so that more is better, whatever the unit. */
const better = (result, ratio) => (result.higherIsBetter ? ratio : 1 / ratio)

function points(results) {
  return results.flatMap((result) =>
    result.targets
      .filter((target) => target.ratio !== null)
      .map((target) => ({
        label: `${result.row}${target.variant ? ` (${target.variant})` : ''} / ${target.peer}`,
        ratio: better(result, target.ratio),
        target: better(result, target.atLeast ?? target.atMost),
        outcome: target.met ? 'target met' : 'target missed',
      })),
  )
}

export async function drawChart(results) {
  const values = points(results)
  if (values.length === 0) return
  const y = { field: 'label', type: 'nominal', sort: null, axis: { title: null, labelLimit: 420, labelFontSize: 11 } }
  const { spec } = compile({
    $schema: 'https://vega.github.io/schema/vega-lite/v6.json',
    background: 'white',
    width: 460,
    height: { step: 18 },
    data: { values },
    layer: [
      {
        mark: { type: 'bar', height: 11 },
        encoding: {
          y,
          x: {
            field: 'ratio',
            type: 'quantitative',
            scale: { type: 'log', domainMin: Math.min(0.5, ...values.map((value) => value.ratio * 0.9)) },
            axis: { title: 'times better than the peer (logarithmic; 1 is equal)', format: '~g', tickCount: 6 },
          },
          x2: { datum: 1 },
          color: {
            field: 'outcome',
            type: 'nominal',
            scale: { domain: ['target met', 'target missed'], range: ['#2f7d4f', '#c0562b'] },
            legend: { title: null, orient: 'top' },
          },
        },
      },
      {
        mark: { type: 'tick', thickness: 2, size: 15, color: '#222' },
        encoding: { y, x: { field: 'target', type: 'quantitative' } },
      },
    ],
    config: { font: 'sans-serif', view: { stroke: null } },
  })
  const view = new vega.View(vega.parse(spec), { renderer: 'none' })
  await writeFile(new URL('../results.svg', import.meta.url), await view.toSVG())
}
