// What booting a kernel needs, and the Debian packages that bring it.
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { installedKernel } from './kernels.mjs';

const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
const isThere = (command) => directories.some((directory) => existsSync(join(directory, command)));

const packageOf = {
  'qemu-system-x86_64': 'qemu-system-x86',
  modprobe: 'kmod',
  ip: 'iproute2',
  xz: 'xz-utils',
  cpio: 'cpio',
  gcc: 'gcc',
  make: 'make',
  python3: 'python3',
};

// A dynamic busybox, which the package of that name brings, finds no libraries in an initramfs.
const busyboxIsStatic = () => existsSync('/bin/busybox') && !readFileSync('/bin/busybox').includes('/ld-linux-');

function imageIsReadable(kernel) {
  try {
    accessSync(kernel.image, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** Lines that say what is missing; none if the machine can boot a kernel and build modules for it. */
export function missing() {
  if (process.arch !== 'x64') {
    return [`This boots x86_64 kernels with the programs of the machine it runs on; this machine is ${process.arch}.`];
  }
  const kernel = installedKernel();
  const packages = [
    ...(kernel ? [] : ['linux-image-amd64', 'linux-headers-amd64']),
    ...(busyboxIsStatic() ? [] : ['busybox-static']),
    ...Object.entries(packageOf).filter(([command]) => !isThere(command)).map(([, name]) => name),
  ];
  if (packages.length > 0) {
    return [
      `Missing: ${packages.join(' ')}`,
      'Install with, as root (INITRD=No spares the minute in which apt makes an initramfs that nobody boots):',
      '',
      `  apt-get update && INITRD=No apt-get install -y --no-install-recommends ${packages.join(' ')}`,
      '',
    ];
  }
  if (!imageIsReadable(kernel)) return [`${kernel.image} cannot be read by this user: chmod a+r it, or run this as root.`];
  return [];
}
