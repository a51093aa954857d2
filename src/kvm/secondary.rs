//! Secondary storage: a folder with a file and its facts for each template, ISO and snapshot. Files never change once they are there.
use crate::image::{self, Format, Image, blocking};
use crate::keep::{Folder, gone, io, plain};
use crate::primary::{Place, place, space};
use crate::{Done, Kvm};
use async_trait::async_trait;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use stratus_drivers::{DriverError, SecondaryStorage, StorageUse, TemplateFacts};
use tokio::io::AsyncWriteExt;

/// A source that sends nothing for this long is given up.
const STALL: Duration = Duration::from_secs(60);

/// What is known of a file on a store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Object {
    pub format: Format,
    pub facts: TemplateFacts,
}

#[async_trait]
impl SecondaryStorage for Kvm {
    async fn connect(&self, store: &str, url: &str) -> Done<StorageUse> {
        let place = place(url)?;
        Folder::open(place.path.join("objects"))?;
        self.folders.stores.put(store, &place)?;
        space(&place.path)
    }
    async fn fetch(&self, store: &str, template: &str, url: &str) -> Done<TemplateFacts> {
        let to = self.object_file(store, template)?;
        let _held = self.locks.hold(template).await;
        if let Ok((_, there)) = self.object(store, template) {
            return Ok(there.facts);
        }
        let limit = self.config.image_max;
        self.appear(&to, async |new| {
            bring(url, new, limit).await?;
            let path = new.to_owned();
            blocking(move || image::inspect(&path, limit)).await.map(drop)
        })
        .await?;
        let path = to.clone();
        let image = blocking(move || image::inspect(&path, limit)).await?;
        self.object_put(store, template, image).await
    }
    async fn template_from_snapshot(&self, store: &str, template: &str, snapshot: &str) -> Done<TemplateFacts> {
        let to = self.object_file(store, template)?;
        let _held = self.locks.hold(template).await;
        if let Ok((_, there)) = self.object(store, template) {
            return Ok(there.facts);
        }
        let (from, object) = self.object(store, snapshot)?;
        // Neither ever changes, so both names may mean the same bytes.
        gone(std::fs::remove_file(&to)).map_err(io(&to))?;
        if std::fs::hard_link(&from, &to).is_err() {
            self.appear(&to, async |new| tokio::fs::copy(&from, new).await.map(drop).map_err(io(new))).await?;
        }
        self.objects(store)?.put(template, &object)?;
        Ok(object.facts)
    }
    async fn delete(&self, store: &str, object: &str) -> Done {
        let file = self.object_file(store, object)?;
        let _held = self.locks.hold(object).await;
        self.objects(store)?.remove(object)?;
        gone(std::fs::remove_file(&file)).map_err(io(&file))?;
        if self.template(object).is_err() {
            for pool in self.folders.pools.names()? {
                self.base_unused(&pool, object).await?;
            }
        }
        Ok(())
    }
}

/// Copies what a URL names into a file: `file:///…` of this machine, `http://…` from elsewhere, without following redirects.
async fn bring(url: &str, to: &Path, limit: u64) -> Done {
    match url.split_once("://") {
        Some(("file", path)) => {
            let path = PathBuf::from(path);
            let length = tokio::fs::metadata(&path).await.map_err(io(&path))?.len();
            within(length, limit)?;
            tokio::fs::copy(&path, to).await.map(drop).map_err(io(&path))
        }
        Some(("http" | "https", _)) => download(url, to, limit).await,
        _ => Err(DriverError::Failed(format!("`{url}` is not a URL that images come from (http, https, file)"))),
    }
}

fn within(length: u64, limit: u64) -> Done {
    if length <= limit { Ok(()) } else { Err(DriverError::Failed(format!("the image has {length} bytes, at most {limit} are taken"))) }
}

async fn download(url: &str, to: &Path, limit: u64) -> Done {
    let broken = |e: reqwest::Error| DriverError::Failed(format!("the image does not come: {}", e.without_url()));
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).connect_timeout(STALL).read_timeout(STALL);
    let answer = client.build().map_err(broken)?.get(url).send().await.map_err(broken)?;
    if answer.status() != reqwest::StatusCode::OK {
        return Err(DriverError::Failed(format!("the image does not come: the server answered {}", answer.status())));
    }
    within(answer.content_length().unwrap_or(0), limit)?;
    let mut file = tokio::fs::File::create(to).await.map_err(io(to))?;
    let mut stream = answer.bytes_stream();
    let mut length = 0;
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(broken)?;
        length += piece.len() as u64;
        within(length, limit)?;
        file.write_all(&piece).await.map_err(io(to))?;
    }
    file.flush().await.map_err(io(to))
}

impl Kvm {
    fn store(&self, store: &str) -> Done<Place> {
        let place: Option<Place> = self.folders.stores.get(plain("a store", store)?)?;
        place.ok_or_else(|| DriverError::Unreachable(format!("store {store}")))
    }

    fn objects(&self, store: &str) -> Done<Folder> {
        Folder::open(self.store(store)?.path.join("objects"))
    }

    /// Where the bytes of an object are or would be.
    pub(crate) fn object_file(&self, store: &str, object: &str) -> Done<PathBuf> {
        Ok(self.store(store)?.path.join(plain("an image", object)?))
    }

    /// An object on a store: its file and what is known of it.
    pub(crate) fn object(&self, store: &str, object: &str) -> Done<(PathBuf, Object)> {
        let file = self.object_file(store, object)?;
        let known: Option<Object> = self.objects(store)?.get(object)?;
        known.filter(|_| file.is_file()).map(|known| (file, known)).ok_or_else(|| DriverError::Missing(format!("{object} on store {store}")))
    }

    /// A template on any store that is connected.
    pub(crate) fn template(&self, template: &str) -> Done<(PathBuf, Object)> {
        for store in self.folders.stores.names()? {
            if let Ok(found) = self.object(&store, template) {
                return Ok(found);
            }
        }
        Err(DriverError::Missing(format!("template {template}")))
    }

    /// Writes down what is known of a file that has come to its place.
    pub(crate) async fn object_put(&self, store: &str, object: &str, image: Image) -> Done<TemplateFacts> {
        let file = self.object_file(store, object)?;
        let physical_bytes = std::fs::metadata(&file).map_err(io(&file))?.len();
        let checksum = image::digest(&file).await?;
        let facts = TemplateFacts { virtual_bytes: image.virtual_bytes, physical_bytes, checksum };
        self.objects(store)?.put(object, &Object { format: image.format, facts: facts.clone() })?;
        Ok(facts)
    }
}
