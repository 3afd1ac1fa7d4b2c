// The little root the kernel starts from: busybox, our init, and the modules that reach the host's files over 9p.
import { execFileSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { decompress } from './decompress.mjs';

const path = `${process.env.PATH ?? ''}:/usr/sbin:/sbin`;

/** The module files that 9p over virtio needs, in the order to load them. Built-in ones need no file. */
function modulesOf(release) {
  const lines = execFileSync(
    'modprobe',
    ['--set-version', release, '--show-depends', '--all', 'virtio_pci', '9pnet_virtio', '9p'],
    { encoding: 'utf8', env: { ...process.env, PATH: path } },
  ).split('\n');
  return [...new Set(lines.filter((line) => line.startsWith('insmod ')).map((line) => line.split(' ')[1]))];
}

/** A word as `sh` reads it back. */
const quoted = (text) => `'${String(text).replaceAll("'", "'\\''")}'`;

/**
 * Writes `<directory>/initramfs`.
 *
 * @param {{ release: string }} kernel
 * @param {string} directory where to work
 * @param {Record<string, string>} settings shell variables for init.sh
 * @returns {string} the path of the initramfs
 */
export function makeInitramfs(kernel, directory, settings) {
  const root = join(directory, 'initramfs.d');
  rmSync(root, { recursive: true, force: true });
  mkdirSync(join(root, 'bin'), { recursive: true });
  mkdirSync(join(root, 'modules'));

  cpSync('/bin/busybox', join(root, 'bin/busybox'), { dereference: true });
  cpSync(new URL('init.sh', import.meta.url), join(root, 'init'));
  chmodSync(join(root, 'init'), 0o755);

  const modules = modulesOf(kernel.release).map((file) => {
    const name = basename(file).replace(/\.ko\..*$/, '.ko');
    writeFileSync(join(root, 'modules', name), decompress(readFileSync(file)));
    return name;
  });
  const variables = { ...settings, MODULES: modules.join(' ') };
  writeFileSync(
    join(root, 'settings'),
    Object.entries(variables).map(([name, value]) => `${name}=${quoted(value)}\n`).join(''),
  );

  const initramfs = join(directory, 'initramfs');
  execFileSync('sh', ['-c', 'find . | cpio --quiet -o -H newc -R 0:0 > "$1"', 'sh', initramfs], { cwd: root });
  return initramfs;
}
