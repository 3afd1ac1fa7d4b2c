// Every public name has its docstring, every example its test, every link its place; every program in the docs runs.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import test from 'ava'

import { runScript } from './helpers/loop.mjs'

const root = join(import.meta.dirname, '..')

/** The declarations that an entry point exports: `[name, file]`, through every re-export. */
function exported(file, found = []) {
  const text = readFileSync(file, 'utf8')
  for (const [, names, from] of text.matchAll(/export (?:type )?\{([^}]*)\} from '([^']+)'/g)) {
    const target = resolve(dirname(file), from.replace(/\.js$/, '.d.ts'))
    for (const name of names.split(',')) {
      const original = name.trim().replace(/^type /, '').split(' as ')[0]
      if (original !== '') found.push([original, target])
    }
  }
  for (const [, from] of text.matchAll(/export \* from '([^']+)'/g)) {
    const target = resolve(dirname(file), from.replace(/\.js$/, '.d.ts'))
    for (const [, name] of readFileSync(target, 'utf8').matchAll(DECLARATION)) found.push([name, target])
  }
  return found
}

/** Documented once, where `Closable` declares them. */
const OF_CLOSABLE = new Set(['close', 'closed', 'destroy', 'ref', 'unref', 'fd', 'detach', '[Symbol.asyncDispose]'])

const DECLARATION = /^export (?:declare )?(?:abstract )?(?:class|interface|type|function|const|enum) (\w+)/gm

/** Names without a docstring: the declaration itself, and each public member of a class or an interface. */
function undocumented(name, file) {
  const lines = readFileSync(file, 'utf8').split('\n')
  const at = lines.findIndex((line) => new RegExp(`^export (?:declare )?(?:abstract )?(?:class|interface|type|function|const|enum) ${name}\\b`).test(line))
  if (at === -1) return [`${name} is not declared in ${file}`]
  // Constants that belong together share the docstring of the first.
  let first = at
  const isConstant = (line) => line.startsWith('export declare const ')
  while (isConstant(lines[at]) && isConstant(lines[first - 1])) first--
  const missing = lines[first - 1]?.trim().endsWith('*/') ? [] : [name]
  if (!/\b(class|interface) /.test(lines[at])) return missing
  let last
  for (let index = at + 1; index < lines.length && lines[index] !== '}'; index++) {
    const [, member] = /^ {4}(?:static |readonly |get |set |abstract )*(\w+|\[Symbol\.\w+\])[?(<:]/.exec(lines[index]) ?? []
    if (member === undefined || member === 'constructor' || member === 'private' || OF_CLOSABLE.has(member)) continue
    const documented = lines[index - 1].trim().endsWith('*/')
    // Overloads and a setter after its getter share the docstring of the first.
    if (!documented && member !== last) missing.push(`${name}.${member}`)
    last = member
  }
  return missing
}

for (const entry of ['index', 'netlink/index']) {
  test(`every public name of dist/${entry}.d.ts is documented`, (t) => {
    const names = exported(join(root, 'dist', `${entry}.d.ts`))
    t.true(names.length > 10)
    t.deepEqual(names.flatMap(([name, file]) => undocumented(name, file)), [])
  })
}

test('every example is run by a test', (t) => {
  const tests = readdirSync(join(root, '__test__'), { recursive: true })
    .filter((name) => /\.(mjs|sh|py)$/.test(name))
    .map((name) => readFileSync(join(root, '__test__', name), 'utf8'))
    .join('\n')
  const examples = readdirSync(join(root, 'examples')).filter((name) => name.endsWith('.mjs'))
  const isRun = (name) => [name, name.replace(/^netlink-/, '')].some((stem) => tests.includes(`${stem}'`) || tests.includes(`${stem}.mjs`))
  t.deepEqual(examples.map((name) => name.replace(/\.mjs$/, '')).filter((name) => !isRun(name)), [])
})

const pages = ['README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]

/** The anchors of a page's headings, as GitHub makes them. */
function anchors(text) {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => heading.toLowerCase().replace(/[^\p{L}\p{N}\s_-]/gu, '').replaceAll(' ', '-'))
}

for (const page of pages) {
  const text = readFileSync(join(root, page), 'utf8')

  test(`the links of ${page} lead somewhere`, (t) => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]+))?\)/g)]
    const broken = links.filter(([, file, anchor]) => {
      const target = file === '' ? join(root, page) : resolve(root, dirname(page), file)
      if (!existsSync(target)) return true
      return anchor !== undefined && !anchors(readFileSync(target, 'utf8')).includes(anchor)
    })
    t.deepEqual(broken.map(([link]) => link), [])
  })

  // One that begins with its imports is whole, and prints what its comments say. Those of the README serve until they are
  // stopped.
  if (page === 'README.md') continue
  const programs = [...text.matchAll(/^```js\n(import [\s\S]*?)^```/gm)]
  programs.forEach(([, program], index) => {
    const line = text.slice(0, text.indexOf(program)).split('\n').length
    test(`program ${index + 1} of ${page}, at line ${line}, prints what it says`, async (t) => {
      const { code, signal, stdout, stderr } = await runScript(program)
      t.deepEqual({ code, signal }, { code: 0, signal: null }, stderr)
      const said = [...program.matchAll(/\/\/ → (.*)$/gm)].map(([, expected]) => expected)
      t.is(stdout.replaceAll('\n', ' ').trimEnd(), said.join(' '))
      t.is(stderr, '')
    })
  })
}
