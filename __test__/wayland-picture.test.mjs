// examples/wayland.mjs with a real compositor, whose own screenshot proves that the picture is there.
import test from 'ava'
import { spawnSync } from 'node:child_process'
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inflateSync } from 'node:zlib'
import { UnixStream } from 'nearwire'
import { startCommand } from './helpers/programs.mjs'
import { directory, until } from './helpers/sockets.mjs'

const version = /weston (\d+)/.exec(spawnSync('weston', ['--version'], { encoding: 'utf8' }).stdout ?? '')?.[1]

/** The pixels of a PNG of eight bits a channel, without interlacing: `{ width, height, at(x, y) }`. */
function readPng(bytes) {
  const parts = []
  for (let at = 8; at < bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    if (bytes.toString('latin1', at + 4, at + 8) === 'IDAT') parts.push(bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at)))
  }
  const [width, height, channels] = [bytes.readUInt32BE(16), bytes.readUInt32BE(20), bytes[25] === 6 ? 4 : 3]
  const filtered = inflateSync(Buffer.concat(parts))
  const stride = width * channels
  const pixels = Buffer.alloc(stride * height)
  for (let y = 0; y < height; y++) {
    const filter = filtered[y * (stride + 1)]
    for (let x = 0; x < stride; x++) {
      const left = x >= channels ? pixels[y * stride + x - channels] : 0
      const up = y > 0 ? pixels[(y - 1) * stride + x] : 0
      const corner = x >= channels && y > 0 ? pixels[(y - 1) * stride + x - channels] : 0
      const [toLeft, toUp, toCorner] = [up - corner, left - corner, left + up - 2 * corner].map(Math.abs)
      const paeth = toLeft <= toUp && toLeft <= toCorner ? left : toUp <= toCorner ? up : corner
      const predicted = [0, left, up, (left + up) >> 1, paeth][filter]
      pixels[y * stride + x] = filtered[y * (stride + 1) + 1 + x] + predicted
    }
  }
  return { width, height, at: (x, y) => [...pixels.subarray(y * stride + x * channels, y * stride + x * channels + 3)] }
}

if (version === undefined) {
  test.skip('a picture in a Wayland compositor: weston is not installed', () => {})
} else {
  test('a picture drawn into shared memory is what the compositor shows', async (t) => {
    const folder = directory(t)
    chmodSync(folder, 0o700)
    const inSession = (...command) => startCommand(t, 'env', '-C', folder, `XDG_RUNTIME_DIR=${folder}`, 'WAYLAND_DISPLAY=display', ...command)
    const renderer = Number(version) < 12 ? ['--backend=headless-backend.so', '--use-pixman'] : ['--backend=headless', '--renderer=pixman']
    writeFileSync(join(folder, 'weston.ini'), '[shell]\npanel-position=none\nstartup-animation=none\nanimation=none\nlocking=false\n')
    const weston = inSession(
      'weston', ...renderer, '--socket=display', '--width=320', '--height=240', `--config=${folder}/weston.ini`,
      '--idle-time=0', '--debug', '--log=weston.log',
    )
    await until(async () => {
      if (weston.process.exitCode !== null) throw new Error(`weston ended: ${weston.errors()} ${readFileSync(join(folder, 'weston.log'))}`)
      return UnixStream.connect(join(folder, 'display')).then((stream) => stream.close().then(() => true), () => false)
    })
    const example = inSession(process.execPath, join(import.meta.dirname, '../examples/wayland.mjs'), '--fullscreen')
    t.is(await example.line(), 'the compositor shows 320 x 240 pixels')
    const camera = inSession('weston-screenshooter')
    t.is(await camera.exit, 0, camera.errors())
    const picture = readPng(readFileSync(join(folder, readdirSync(folder).find((name) => name.endsWith('.png')))))
    t.deepEqual([picture.width, picture.height], [320, 240])
    for (let y = 0; y < 240; y++) {
      for (let x = 0; x < 320; x++) {
        const expected = [Math.floor(x * 256 / 320), Math.floor(y * 256 / 240), 0x40]
        const found = picture.at(x, y)
        if (found.some((value, channel) => value !== expected[channel])) {
          t.fail(`pixel ${x},${y} is ${found}, not ${expected}`)
          return
        }
      }
    }
    t.pass()
  })
}
