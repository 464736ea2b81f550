// Package disktest is a disk that remembers in which order it was written, and
// shows what it may hold after the power went.
//
// A process of its own keeps the blocks of the disk in memory and serves them to
// the kernel as one file (fuse.go). A loop device over that file carries a real
// ext4 or XFS (mount.go), so every block that the file system writes and every
// flush that it waits for come by in their order. They are recorded (record.go),
// beside them whoever works on the file system asks for the [Position] of what it
// was answered.
//
// A power cut at a position leaves everything that was written before the last
// flush; of what came after it a disk may have kept nothing, all, or any blocks or
// sectors, in any order: a [Mode]. [Rig.Cut] makes such a disk and mounts it, as
// the machine would that comes up again.
//
// The server is a process of its own because the kernel waits for it: whoever
// touches the file system through a memory map must be able to stand still without
// the disk standing still. It unmounts and frees everything when the test ends, in
// whatever way.
//
// It needs root, /dev/fuse, loop devices, mkfs.ext4 (Debian: e2fsprogs) or mkfs.xfs
// (xfsprogs). The machine's own disks are not touched.
//
// References: Linux, include/uapi/linux/fuse.h and include/uapi/linux/loop.h;
// Documentation/block/writeback_cache_control.rst says what a flush promises.
package disktest
