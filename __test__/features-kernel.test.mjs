// features(): says before what the kernel says after.
import test from 'ava'
import { release } from 'node:os'
import { features } from 'nearwire'
import { pair } from './helpers/sockets.mjs'

const [major, minor] = release().split('.').map(Number)
const atLeast = (wantedMajor, wantedMinor) => major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)

test('agrees with the versions that brought each', (t) => {
  const { SO_PEERSEC, ...versioned } = features()
  t.deepEqual(versioned, {
    SO_PASSPIDFD: atLeast(6, 5),
    SO_PEERPIDFD: atLeast(6, 5),
    SO_PASSRIGHTS: atLeast(6, 16),
    SO_PEERGROUPS: atLeast(4, 13),
    SO_PEEK_OFF: atLeast(3, 4),
  })
  t.is(typeof SO_PEERSEC, 'boolean')
})

test('is asked once, and cannot be changed', (t) => {
  t.is(features(), features())
  t.true(Object.isFrozen(features()))
})

test('what it says is there can be used', (t) => {
  const [left] = pair(t)
  const found = features()
  for (const name of ['SO_PASSPIDFD', 'SO_PASSRIGHTS', 'SO_PEEK_OFF']) {
    if (found[name]) t.notThrows(() => left.options[name], name)
    else t.throws(() => left.options[name], { code: 'ENOPROTOOPT' }, name)
  }
  if (found.SO_PEERPIDFD) t.notThrows(() => left.peer)
  t.is(left.peer.securityLabel() !== null, found.SO_PEERSEC)
})
