use std::path::{Path, PathBuf};

/// Says that a test does not run here, and why; fails instead where everything must run.
pub fn skip(why: &str) {
    assert!(std::env::var_os("STRATUS_REQUIRE_TOOLS").is_none(), "this must not be skipped here: {why}");
    eprintln!("skipped: {why}");
}

/// A program of this machine; none after saying which package brings it.
pub fn tool(name: &str, package: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    let found = folders.map(|f| f.join(name)).find(|f| f.is_file());
    if found.is_none() {
        skip(&format!("{name} is not on this machine; the package {package} brings it (make test installs it)"));
    }
    found
}

/// The folder of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// The Python in which the clients of `tests/clients/requirements.txt` are installed.
pub fn python() -> Option<PathBuf> {
    let python = repository().join(".venv/bin/python");
    if python.is_file() {
        return Some(python);
    }
    skip("there is no .venv with the Python clients: tests/tools.sh makes it");
    None
}

/// Python 2.7 and the folder of the packages in `tests/clients/requirements-2.7.txt`. None after saying so where the machine has none:
/// distributions have dropped it, so nothing that `make test` could install brings it.
pub fn python2() -> Option<(PathBuf, PathBuf)> {
    let venv = repository().join(".venv");
    let (python, packages) = (venv.join("python2.7"), venv.join("python2"));
    if python.exists() && packages.is_dir() {
        return Some((python, packages));
    }
    eprintln!("skipped: there is no Python 2.7 here (tests/tools.sh takes pyenv's), and this client needs it");
    None
}
