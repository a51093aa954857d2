//! A real libvirtd, real guests.
