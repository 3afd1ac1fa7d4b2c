#!/bin/busybox sh
# The first process of the VM. Mounts the host's root, read-only, and runs one script in it.
#
# What this prints goes to the console, beside the kernel's own words. What the script prints goes to a second
# serial line, so that nothing of the kernel's comes between its lines.

/bin/busybox mkdir -p /proc /sys /dev /host /sbin
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
. /settings # DIRECTORY, SCRIPT, MODULES, ENVIRONMENT

say() { echo "[$(cut -d ' ' -f 1 /proc/uptime)] init: $*"; }
give_up() { say "$*"; poweroff -f; }

for module in $MODULES; do
  insmod "/modules/$module" || give_up "insmod $module failed"
done

options=trans=virtio,version=9p2000.L,msize=512000
mount -t 9p -o "ro,cache=loose,$options" host /host || give_up 'the host is not there'
mount -t proc proc /host/proc
mount -t sysfs sysfs /host/sys
mount -t devtmpfs dev /host/dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /host/dev/pts
mount -t tmpfs tmpfs /host/dev/shm
mount -t tmpfs tmpfs /host/run # the only place to bind a Unix socket: 9p refuses (ENXIO)
mkdir -m 1777 /host/run/tmp
mkdir /host/run/results
mount -t 9p -o "rw,$options" results /host/run/results || give_up 'nowhere to write results'

# The kernel calls this one by its path when something needs a module; the host's knows where modules are.
cat > /sbin/modprobe <<'END'
#!/bin/busybox sh
exec /bin/busybox chroot /host /sbin/modprobe "$@"
END
chmod +x /sbin/modprobe

ip link set lo up
stty -F /dev/ttyS1 raw
say "$(uname -r), the script begins"

command="cd '$DIRECTORY' && exec /usr/bin/env -i HOME=/root TMPDIR=/run/tmp RESULTS=/run/results \
  PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin $ENVIRONMENT /bin/sh '$SCRIPT'"
chroot /host /bin/sh -c "$command" < /dev/null > /dev/ttyS1 2>&1
status=$?

dmesg > /host/run/results/dmesg
# Last of all: a panic ends QEMU as quietly as this does, but leaves no such file.
echo "$status" > /host/run/results/status
umount /host/run/results
say "the script ended with status $status"
poweroff -f
