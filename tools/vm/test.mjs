// npm run test:vm: builds examples/kernel-module, loads it into a Linux that QEMU emulates, and lets __test__/vm speak to it.
import { execFile } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { boot } from './boot.mjs';
import { installedKernel } from './kernels.mjs';
import { missing } from './requirements.mjs';
import { TapCounter } from './tap-counter.mjs';

const run = promisify(execFile);
const repository = fileURLToPath(new URL('../..', import.meta.url));
const work = join(repository, '.vm');
const began = performance.now();

const step = (text) => console.log(`[${((performance.now() - began) / 1000).toFixed(1).padStart(5)} s] ${text}`);

/** Builds a copy, so that a build leaves nothing in examples/. A warning is an error. */
async function buildModule(kernel) {
  const directory = join(work, 'module');
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  for (const file of ['Makefile', 'nearwire_echo.c', 'nearwire_echo.h']) {
    cpSync(join(repository, 'examples/kernel-module', file), join(directory, file));
  }
  await run('make', ['-C', directory, `KDIR=${kernel.build}`, 'W=1', 'KCFLAGS=-Werror']);
  return join(directory, 'nearwire_echo.ko');
}

/** A program that prints the numbers of nearwire_echo.h as a C compiler sees them. */
async function buildHeaderNumbers() {
  const program = join(work, 'module', 'header-numbers');
  await run('gcc', [
    '-std=c11', '-Wall', '-Wextra', '-Werror', '-I', join(repository, 'examples/kernel-module'),
    '-o', program, join(repository, '__test__/vm/header-numbers.c'),
  ]);
  return program;
}

/** The guest can read what is built here, but build nothing. */
async function surfaceIsBuilt() {
  const surface = await import('nearwire/netlink').catch(() => ({}));
  return surface.NetlinkClient !== undefined;
}

const lines = missing();
if (lines.length > 0) {
  console.error(lines.join('\n'));
  process.exit(1);
}

const kernel = installedKernel();
const module = await buildModule(kernel);
const headerNumbers = await buildHeaderNumbers();
step(`the module is built for ${kernel.release}`);

const nearwireIsBuilt = await surfaceIsBuilt();

const counter = new TapCounter();
const vm = await boot({
  kernel,
  script: join(repository, '__test__/vm/guest.sh'),
  directory: repository,
  work: join(work, 'test'),
  cache: work,
  environment: { MODULE: module, HEADER_NUMBERS: headerNumbers, NODE: nearwireIsBuilt ? process.execPath : '' },
  // Poison and red zones around what the kernel allocates: a module that writes or reads past its own is found out.
  // And a security module that labels sockets: Debian's kernel has SELinux in it, and AppArmor labels none.
  kernelArguments: ['slub_debug=FZP', 'security=selinux'],
  timeout: 180,
  onLine(line) {
    counter.line(line);
    step(line);
  },
});
step('the VM is off');

counter.end();
const problems = [...counter.problems];
if (!nearwireIsBuilt) problems.push('nearwire/netlink is not built (npm run build): its tests did not run');
if (vm.failure) problems.push(vm.failure, ...vm.complaints);
if (vm.status !== 0) problems.push(`the guest's script ended with status ${vm.status}`);
if (counter.passed === 0) problems.push('no test ran');
if (vm.failure) console.log(`--- console\n${vm.console}`);
const dmesg = join(vm.results, 'dmesg');
if (vm.failure && existsSync(dmesg)) console.log(`--- dmesg\n${readFileSync(dmesg, 'utf8')}`);
for (const problem of problems) console.log(`PROBLEM: ${problem}`);
console.log(`${counter.passed} passed, ${counter.failed} failed, ${counter.skipped} skipped`);
process.exitCode = problems.length > 0 || counter.failed > 0 ? 1 : 0;
