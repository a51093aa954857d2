//! What an agent keeps in its data directory: who it is, and which networks it serves. Files are for their owner only.
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The directory.
#[derive(Debug, Clone)]
pub struct Home(PathBuf);

/// Who the agent is; PEM. `Debug` is left out because of the key.
#[derive(Clone)]
pub struct Identity {
    /// The uuid of its host.
    pub id: String,
    /// The authority's certificate.
    pub authority: String,
    /// Its own certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
}

impl Home {
    /// An existing directory.
    pub fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Who the agent is, once it has enrolled.
    pub fn identity(&self) -> io::Result<Option<Identity>> {
        // Certificate and key are one file, so that a renewal cannot be torn.
        let Some(both) = self.read("agent.pem")? else { return Ok(None) };
        let Some(authority) = self.read("authority.pem")? else { return Ok(None) };
        let Some(id) = self.read("identity")? else { return Ok(None) };
        let at = both.find("-----BEGIN PRIVATE KEY-----").ok_or_else(|| io::Error::other("agent.pem holds no private key"))?;
        let (certificate, key) = both.split_at(at);
        Ok(Some(Identity { id: id.trim().to_owned(), authority, certificate: certificate.to_owned(), key: key.to_owned() }))
    }

    /// Keeps who the agent is.
    pub fn keep(&self, identity: &Identity) -> io::Result<()> {
        self.write("identity", &format!("{}\n", identity.id))?;
        self.write("authority.pem", &identity.authority)?;
        self.write("agent.pem", &format!("{}\n{}", identity.certificate.trim_end(), identity.key))
    }

    /// Uuids of the networks that are served here.
    pub fn networks(&self) -> io::Result<BTreeSet<String>> {
        Ok(self.read("networks")?.unwrap_or_default().lines().map(str::to_owned).collect())
    }

    /// Keeps the uuids of the networks that are served here.
    pub fn keep_networks(&self, networks: &BTreeSet<String>) -> io::Result<()> {
        self.write("networks", &networks.iter().map(|n| format!("{n}\n")).collect::<String>())
    }

    fn read(&self, name: &str) -> io::Result<Option<String>> {
        match std::fs::read_to_string(self.0.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whole or not at all, also when the power goes.
    fn write(&self, name: &str, text: &str) -> io::Result<()> {
        let new = self.0.join(format!("{name}.new"));
        let mut file = std::fs::File::options().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, self.0.join(name))?;
        std::fs::File::open(&self.0)?.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn an_identity_comes_back_and_is_nobody_elses_to_read() {
        let dir = tempfile::tempdir().expect("a folder");
        let home = Home::at(dir.path());
        assert!(home.identity().expect("reads").is_none());
        let (key, request) = crate::ca::request().expect("a key");
        home.keep(&Identity { id: "I".into(), authority: "A".into(), certificate: request.clone(), key: key.clone() }).expect("kept");
        let back = home.identity().expect("reads").expect("is there");
        assert_eq!((back.id.as_str(), back.authority.as_str(), back.certificate.trim(), back.key), ("I", "A", request.trim(), key));
        let mode = std::fs::metadata(dir.path().join("agent.pem")).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
