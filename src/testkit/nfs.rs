//! An NFS server beside a host of the laboratory, and a way to mount what it exports where the kernel has no NFS: both without the
//! kernel's help.
use crate::lab::{LIMIT, LabHost};
use crate::{python, repository, tool};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

/// Where the server is, from the host.
pub const SERVER: &str = "127.0.0.1";

/// Its own folders instead of the machine's, then who tells ports, then the server.
const START: &str = "for place in /run /var/lib/nfs; do mkdir -p $place; mount -t tmpfs none $place; done; \
                     mkdir -p /run/rpcbind /run/ganesha /var/lib/nfs/ganesha; rpcbind -f & until [ -S /run/rpcbind.sock ]; do sleep 0.1; done; \
                     exec ganesha.nfsd -F -f \"$1/ganesha.conf\" -p \"$1/ganesha.pid\" -L \"$1/ganesha.log\"";

/// A server; ended when dropped.
pub struct NfsServer {
    /// The program that mounts what it exports, for the host's daemon too, as the driver's setting `mount_nfs` takes it.
    pub mount: Vec<String>,
    child: Child,
    exported: String,
}

impl Drop for NfsServer {
    fn drop(&mut self) {
        // What a test that failed left mounted would outlive the server, and nobody could look at it without waiting.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        for mount in mounts.lines().filter(|line| line.contains(&format!(":{}/", self.exported))) {
            let _ = Command::new("umount").args(["-l", mount.split(' ').nth(1).unwrap_or_default()]).status();
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves a folder to a host by NFS version 3. None after saying what is missing.
pub fn serve(host: &LabHost, exported: &Path) -> Option<NfsServer> {
    for (program, package) in [("ganesha.nfsd", "nfs-ganesha-vfs"), ("rpcbind", "rpcbind")] {
        tool(program, package)?;
    }
    let python = python()?;
    let (base, export) = (host.base(), exported.display());
    let config = format!(
        "NFS_CORE_PARAM {{ Protocols = 3; mount_path_pseudo = false; Enable_NLM = false; Enable_RQUOTA = false; }}\n\
         EXPORT {{ Export_Id = 1; Path = {export}; Pseudo = {export}; Access_Type = RW; Squash = No_Root_Squash; SecType = sys; \
         Protocols = 3; FSAL {{ Name = VFS; }} }}\nLOG {{ Default_Log_Level = EVENT; }}\n"
    );
    std::fs::write(base.join("ganesha.conf"), config).unwrap();
    let mut server = Command::new("nsenter");
    server.arg(format!("--net=/run/netns/{}", host.netns)).args(["unshare", "-m", "--propagation", "private", "sh", "-ec", START, "sh"]);
    server.arg(base).env("PATH", crate::lab::path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut server = NfsServer { mount: Vec::new(), child: server.spawn().unwrap(), exported: export.to_string() };
    let (log, end) = (base.join("ganesha.log"), Instant::now() + LIMIT);
    while !std::fs::read_to_string(&log).is_ok_and(|log| log.contains("NFS SERVER INITIALIZED")) {
        let ended = server.child.try_wait().unwrap().is_some();
        assert!(Instant::now() < end && !ended, "the NFS server does not start: {:?}", std::fs::read_to_string(&log));
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let mount = repository().join("tests/clients/nfs_mount.py");
    let (script, program) = (base.join("mount-nfs"), format!("\"{}\" \"{}\"", python.display(), mount.display()));
    let text = format!("{program} \"$1\" \"$2\"\nnsenter -t {} -m {program} \"$1\" \"$2\"\n", host.daemon());
    std::fs::write(&script, text).unwrap();
    server.mount = ["sh", "-e", script.to_str().unwrap()].map(str::to_owned).into();
    Some(server)
}
