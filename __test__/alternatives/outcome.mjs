// What the README says in a cell for something that a column has not.
export const ABSENT = '–'

/** The promise, or a rejection when nothing happens; by default after longer than anything takes that happens at all. */
export function within(promise, limit = 10_000) {
  let timer
  const late = new Promise((resolve, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('nothing happened'), { code: 'STILL_WAITING' })), limit)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
