#!/bin/busybox sh
# The rehearsed machine's first process: mounts what there is, and starts the agent's part unless its system hangs.
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1 </dev/ttyS0
for module in virtio_ring virtio virtio_pci_modern_dev virtio_pci_legacy_dev virtio_pci virtio_blk fat vfat nls_cp437 nls_ascii efivarfs; do
  [ -e /modules/$module.ko ] && insmod /modules/$module.ko
done
root=
for word in $(cat /proc/cmdline); do case $word in root=*) root=${word#root=} ;; esac; done
mount -t ext4 -o ro "$root" /system || { echo "REHEARSAL {\"what\":\"no_system\"}"; poweroff -f; }
system=$(cat /system/name)
umount /system
mount -t ext4 -o data=journal /dev/vda4 /data
mount -t vfat /dev/vda1 /data/esp
mount -t efivarfs efivarfs /sys/firmware/efi/efivars
case $system in
*hangs)
  umount /data/esp /data
  echo "REHEARSAL {\"what\":\"hangs\",\"system\":\"$system\"}"
  while :; do sleep 1000; done
  ;;
esac
for folder in dev proc; do mount --bind /$folder /data/$folder; done
mount --rbind /sys /data/sys
chroot /data /node --disable-warning=ExperimentalWarning /repo/agent/src/slots/rehearsal/inside.ts "$system"
echo "REHEARSAL {\"what\":\"off\",\"code\":$?}"
sync
poweroff -f
