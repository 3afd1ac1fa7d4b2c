// Every public name has its docstring, every example its test, every link of the README its file.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import test from 'ava'

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
const OF_CLOSABLE = new Set(['close', 'closed', 'ref', 'unref', 'fd', 'detach', '[Symbol.asyncDispose]'])

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

for (const page of ['README.md', ...readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md')).map((name) => `docs/${name}`)]) {
  test(`the links of ${page} lead somewhere`, (t) => {
    const text = readFileSync(join(root, page), 'utf8')
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, link]) => link)
    t.deepEqual(links.filter((link) => !existsSync(resolve(root, dirname(page), link))), [])
  })
}
