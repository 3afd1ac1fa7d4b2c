// Boots a Linux kernel in QEMU, emulated (no /dev/kvm needed), with this machine's files as its own.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { makeInitramfs } from './initramfs.mjs';
import { unpackedImage } from './kernels.mjs';

// The guest puts its own file systems there.
const hidden = /^\/(dev|proc|run|sys)(\/|$)/;

/** What a kernel writes when something in it went wrong; "not a bug" is what it writes when nothing did. */
const complaint =
  /\bBUG\b|WARNING:|\bOops\b|Kernel panic|general protection fault|Call Trace|KASAN|UBSAN|refcount_t:|soft lockup|blocked for more than|rcu.*stall|page allocation failure/;

/** The lines in which the kernel complains. */
export const complaintsIn = (log) => log.split('\n').filter((line) => complaint.test(line));

/** A variable for env(1), quoted for sh, whatever is in it. */
const assignment = ([name, value]) => `${name}='${String(value).replaceAll("'", "'\\''")}'`;

/**
 * Boots `kernel`, runs `script` in it, waits until it is off.
 *
 * The script is for `sh` and runs as root, in a chroot that is this machine's root, read-only: every program and file
 * of the host is there under its own path. `$RESULTS` is a directory that the host sees too; `/run`, `/dev/shm` and
 * `$TMPDIR` are memory, and the only places where Unix sockets can be bound.
 *
 * @param {object} options
 * @param {{ release: string, image: string }} options.kernel as `installedKernel()` finds it
 * @param {string} options.script path of a shell script
 * @param {string} options.directory the script's working directory
 * @param {string} options.work an empty directory for what this makes: console, initramfs, results/
 * @param {string} options.cache a directory for what the next boot can use again
 * @param {Record<string, string>} [options.environment] more variables for the script
 * @param {string[]} [options.kernelArguments] more words for the kernel's command line
 * @param {number} [options.timeout] seconds until QEMU is killed; default 120
 * @param {(line: string) => void} [options.onLine] gets each line the script prints, at once
 *
 * @returns {Promise<{ failure: string | null, status: number | null, console: string, complaints: string[], results: string }>}
 *   `status` is the script's exit status. `failure` says why the boot itself went wrong: killed, no end, complaints.
 */
export async function boot({
  kernel, script, directory, work, cache, environment = {}, kernelArguments = [], timeout = 120, onLine = () => {},
}) {
  const guestDirectory = realpathSync(directory);
  const guestScript = realpathSync(script);
  for (const path of [guestDirectory, guestScript]) {
    if (hidden.test(path)) throw new Error(`${path}: the VM cannot see it, because /dev, /proc, /run and /sys are its own`);
    if (path.includes("'")) throw new Error(`${path}: the VM cannot reach a path with an apostrophe in it`);
  }

  rmSync(work, { recursive: true, force: true });
  const results = join(work, 'results');
  mkdirSync(results, { recursive: true });
  const consoleFile = join(work, 'console');

  const image = unpackedImage(kernel, cache);
  const initramfs = makeInitramfs(kernel, work, {
    DIRECTORY: guestDirectory,
    SCRIPT: guestScript,
    ENVIRONMENT: Object.entries(environment).map(assignment).join(' '),
  });

  const share = (path, tag, more) =>
    `local,path=${path.replaceAll(',', ',,')},mount_tag=${tag},security_model=none,multidevs=remap${more}`;
  const qemu = spawn('qemu-system-x86_64', [
    '-machine', 'q35', '-accel', 'tcg', '-cpu', 'max', '-smp', '2', '-m', '1G',
    '-nodefaults', '-no-user-config', '-no-reboot', '-display', 'none',
    '-serial', `file:${consoleFile}`,
    '-chardev', 'stdio,id=script,signal=off', '-serial', 'chardev:script',
    '-kernel', image, '-initrd', initramfs,
    // loglevel=5 shows warnings too; oops=panic, panic=-1: the first fault ends it, without the end marker.
    '-append', ['console=ttyS0', 'loglevel=5', 'oops=panic', 'panic=-1', ...kernelArguments].join(' '),
    '-virtfs', share('/', 'host', ',readonly=on'),
    '-virtfs', share(results, 'results', ''),
  ], { stdio: ['ignore', 'pipe', 'pipe'] });

  const kill = () => qemu.kill('SIGKILL');
  process.once('exit', kill);
  let timedOut = false;
  const timer = setTimeout(() => { timedOut = true; kill(); }, timeout * 1000);
  let qemuSaid = '';
  qemu.stderr.setEncoding('utf8').on('data', (text) => { qemuSaid += text; });
  createInterface({ input: qemu.stdout }).on('line', onLine);
  const exit = await new Promise((resolve, reject) => {
    qemu.once('error', reject);
    qemu.once('close', (code, signal) => resolve(signal ?? code));
  }).finally(() => {
    clearTimeout(timer);
    process.off('exit', kill);
  });

  const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  const consoleText = read(consoleFile);
  const complaints = [...new Set([...complaintsIn(consoleText), ...complaintsIn(read(join(results, 'dmesg')))])];
  const end = read(join(results, 'status')).trim();
  let failure = null;
  if (timedOut) failure = `killed after ${timeout} s`;
  else if (exit !== 0) failure = `QEMU ended with ${exit}: ${qemuSaid.trim()}`;
  else if (!/^\d+$/.test(end)) failure = 'the VM went off before its script had ended';
  else if (complaints.length > 0) failure = 'the kernel complained';
  return { failure, status: end === '' ? null : Number(end), console: consoleText, complaints, results };
}
