//! Writes the table of the console's files. Release builds hold the bytes; a debug build reads the folder when it is asked, so that
//! building the console again needs no Rust build. `console/dist` is always there (its .gitignore is committed), so that cargo can
//! watch it without npm; what is in it is the business of `make run`. No npm here: a build that fetches is no build.
use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn Error>> {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../console/dist");
    println!("cargo:rerun-if-changed={}", dist.display());
    println!("cargo:rerun-if-changed=build.rs");
    let app = dist.join("app");
    let release = std::env::var("PROFILE").is_ok_and(|p| p == "release");
    let mut files = Vec::new();
    if release && app.is_dir() {
        gather(&app, &mut files)?;
    }
    files.sort();
    let mut text = format!("const FOLDER: Option<&str> = {:?};\n", (!release).then_some(&app));
    text += "const EMBEDDED: &[(&str, &[u8])] = &[\n";
    for file in &files {
        let name = file.strip_prefix(&app)?.to_string_lossy().replace('\\', "/");
        writeln!(text, "    ({name:?}, include_bytes!({:?})),", file.canonicalize()?)?;
    }
    text += "];\n";
    std::fs::write(PathBuf::from(std::env::var("OUT_DIR")?).join("assets.rs"), text)?;
    Ok(())
}

fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { gather(&path, files)? } else { files.push(path) }
    }
    Ok(())
}
