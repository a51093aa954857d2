//! Where a file's bytes are: in the theme's folder, in this binary, or (debug builds) in `console/dist/app`.
use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};

include!(concat!(env!("OUT_DIR"), "/assets.rs"));

/// The files of the console.
pub struct Assets {
    /// Looked into first.
    pub theme: Option<PathBuf>,
}

impl Assets {
    /// A file's bytes; none when there is no such file. Only plain names below a folder are read, never what leads out of it.
    pub fn read(&self, path: &str) -> Option<Cow<'static, [u8]>> {
        if !Path::new(path).components().all(|c| matches!(c, Component::Normal(_))) {
            return None;
        }
        let below = |folder: &Path| std::fs::read(folder.join(path)).ok().map(Cow::Owned);
        let themed = self.theme.as_deref().and_then(below);
        let embedded = || EMBEDDED.binary_search_by(|(name, _)| (*name).cmp(path)).ok().map(|i| Cow::Borrowed(EMBEDDED[i].1));
        themed.or_else(embedded).or_else(|| FOLDER.map(Path::new).and_then(below))
    }

    /// Whether the theme's folder has this file, so that the built one's packed form is not it.
    pub fn is_themed(&self, path: &str) -> bool {
        self.theme.as_ref().is_some_and(|t| t.join(path).is_file())
    }
}
