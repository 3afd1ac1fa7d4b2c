/** Every name that a package gives its user: of the values, what they have and inherit, and of what classes make. */
export function surfaceOf(...values) {
  const names = new Set()
  for (const value of values) for (const holder of holders(value, 2)) for (const name of Object.getOwnPropertyNames(holder)) names.add(name)
  return [...names]
}

const COMMON = new Set([Object.prototype, Function.prototype, Array.prototype])

function* holders(value, depth) {
  if (value === null || !['object', 'function'].includes(typeof value)) return
  for (let holder = value; holder !== null && !COMMON.has(holder); holder = Object.getPrototypeOf(holder)) {
    yield holder
    if (depth === 0) continue
    for (const { value: inner } of Object.values(Object.getOwnPropertyDescriptors(holder))) {
      if (inner !== value) yield* holders(inner, depth - 1)
    }
  }
}
