#!/usr/bin/env python3
"""Mounts an NFS export without the kernel's help: FUSE towards the machine, libnfs towards the server. Arguments: SERVER:/PATH FOLDER.

Takes the place of `mount -t nfs` where the kernel has no NFS. One thing at a time, which is what libnfs wants. Locks stay on this machine.
"""
import ctypes
import errno
import os
import stat
import sys

import mfusepy as fuse

lib = ctypes.CDLL("libnfs.so.13")
lib.nfs_init_context.restype = ctypes.c_void_p
lib.nfs_get_error.restype = ctypes.c_char_p
STAT = ("dev", "ino", "mode", "nlink", "uid", "gid", "rdev", "size", "blksize", "blocks", "atime", "mtime", "ctime",
        "atime_nsec", "mtime_nsec", "ctime_nsec", "used")


class Stat(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in STAT]


class Entry(ctypes.Structure):
    _fields_ = [("next", ctypes.c_void_p), ("name", ctypes.c_char_p)]


class Space(ctypes.Structure):
    """`struct statvfs` of x86_64."""
    _fields_ = [(name, ctypes.c_ulong) for name in ("bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree", "favail", "fsid",
                                                   "flag", "namemax")] + [("spare", ctypes.c_int * 6)]


lib.nfs_readdir.restype = ctypes.POINTER(Entry)
U64 = ctypes.c_uint64


class Export(fuse.Operations):
    use_ns = True

    def __init__(self, server, path):
        self.nfs = ctypes.c_void_p(lib.nfs_init_context())
        if lib.nfs_mount(self.nfs, server.encode(), path.encode()) < 0:
            sys.exit(f"mount: {server}:{path}: {lib.nfs_get_error(self.nfs).decode()}")
        self.handles = {}
        self.last = 0

    def do(self, name, *arguments):
        code = getattr(lib, name)(self.nfs, *arguments)
        if code < 0:
            raise fuse.FuseOSError(-code)
        return code

    def keep(self, handle):
        self.last += 1
        self.handles[self.last] = handle
        return self.last

    def getattr(self, path, fh=None):
        about = Stat()
        self.do("nfs_lstat64", path.encode(), ctypes.byref(about))
        found = {f"st_{name}": getattr(about, name) for name in ("mode", "nlink", "uid", "gid", "rdev", "size", "blocks")}
        for name in ("atime", "mtime", "ctime"):
            found[f"st_{name}"] = getattr(about, name) * 10**9 + getattr(about, f"{name}_nsec")
        return found

    def readdir(self, path, fh):
        folder = ctypes.c_void_p()
        self.do("nfs_opendir", path.encode(), ctypes.byref(folder))
        names = []
        while entry := lib.nfs_readdir(self.nfs, folder):
            names.append(entry.contents.name.decode())
        lib.nfs_closedir(self.nfs, folder)
        return names

    def statfs(self, path):
        space = Space()
        self.do("nfs_statvfs", path.encode(), ctypes.byref(space))
        return {f"f_{name}": getattr(space, name) for name in ("bsize", "frsize", "blocks", "bfree", "bavail", "files", "ffree", "favail",
                                                              "namemax")}

    def open(self, path, flags):
        handle = ctypes.c_void_p()
        # What a reader may not do the kernel knows; a cache of written pages has to be able to read.
        self.do("nfs_open", path.encode(), os.O_RDWR if flags & (os.O_WRONLY | os.O_RDWR) else os.O_RDONLY, ctypes.byref(handle))
        return self.keep(handle)

    def create(self, path, mode, fi=None):
        handle = ctypes.c_void_p()
        self.do("nfs_creat", path.encode(), mode & 0o7777, ctypes.byref(handle))
        self.do("nfs_close", handle)
        return self.open(path, os.O_RDWR)

    def read(self, path, size, offset, fh):
        buffer = ctypes.create_string_buffer(size)
        count = self.do("nfs_pread", self.handles[fh], U64(offset), U64(size), buffer)
        return buffer.raw[:count]

    def write(self, path, data, offset, fh):
        return self.do("nfs_pwrite", self.handles[fh], U64(offset), U64(len(data)), data)

    def truncate(self, path, length, fh=None):
        return self.do("nfs_truncate", path.encode(), U64(length))

    def fsync(self, path, datasync, fh):
        return self.do("nfs_fsync", self.handles[fh])

    def fsyncdir(self, path, datasync, fh):
        return 0

    def flush(self, path, fh):
        return 0

    def release(self, path, fh):
        return self.do("nfs_close", self.handles.pop(fh))

    def mkdir(self, path, mode):
        return self.do("nfs_mkdir", path.encode())

    def rmdir(self, path):
        return self.do("nfs_rmdir", path.encode())

    def unlink(self, path):
        return self.do("nfs_unlink", path.encode())

    def rename(self, old, new):
        return self.do("nfs_rename", old.encode(), new.encode())

    def chmod(self, path, mode):
        return self.do("nfs_chmod", path.encode(), stat.S_IMODE(mode))

    def utimens(self, path, times=None):
        return 0

    def chown(self, path, uid, gid):
        return self.do("nfs_chown", path.encode(), uid, gid)


def main():
    source, target = sys.argv[1:3]
    server, path = source.rsplit(":", 1)
    export = Export(server.strip("[]"), path)
    # Goes into the background when it is mounted.
    fuse.FUSE(export, target, foreground=False, nothreads=True, fsname=source.replace(",", " "), default_permissions=True)


main()
