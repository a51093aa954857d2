//! A small web server for the tests, which does what real ones do on bad days.
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How a file is given out.
#[derive(Clone)]
pub enum Manner {
    /// As it should be, with ranges.
    Well,
    /// The first time the link breaks in the middle; with ranges.
    BreaksOnce,
    /// The link breaks after some bytes, every time, and nothing goes on from there.
    Breaks,
    /// A little at a time, for as long as it takes.
    Slowly,
    /// Somewhere else.
    Redirect(String),
}

struct Page {
    bytes: Arc<Vec<u8>>,
    manner: Manner,
    asked: usize,
}

/// The server; it ends with the test's runtime.
#[derive(Clone)]
pub struct Web {
    pages: Arc<Mutex<HashMap<String, Page>>>,
    base: String,
}

impl Web {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let web = Self { pages: Arc::default(), base };
        let serving = web.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let web = serving.clone();
                tokio::spawn(async move { web.answer(stream).await });
            }
        });
        web
    }

    /// Puts a file there; its URL.
    pub fn put(&self, path: &str, bytes: &[u8], manner: Manner) -> String {
        let page = Page { bytes: Arc::new(bytes.to_vec()), manner, asked: 0 };
        self.pages.lock().unwrap().insert(path.to_owned(), page);
        format!("{}{path}", self.base)
    }

    /// How often a file was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.pages.lock().unwrap()[path].asked
    }

    /// Errors of the connection are the other side's to tell.
    async fn answer(&self, mut stream: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?;
        let path = head.split(' ').nth(1)?.to_owned();
        let found = self.pages.lock().unwrap().get_mut(&path).map(|page| {
            page.asked += 1;
            (page.bytes.clone(), page.manner.clone(), page.asked)
        });
        let Some((bytes, manner, asked)) = found else {
            return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await.ok();
        };
        if let Manner::Redirect(to) = manner {
            let answer = format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            return stream.write_all(answer.as_bytes()).await.ok();
        }
        let range = head.to_lowercase().split_once("range: bytes=").and_then(|(_, r)| r.split('-').next()?.parse::<usize>().ok());
        let from = range.filter(|_| !matches!(manner, Manner::Breaks)).unwrap_or(0);
        let status = match from {
            0 => "HTTP/1.1 200 OK".to_owned(),
            _ => format!("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{}/{}", bytes.len() - 1, bytes.len()),
        };
        let rest = &bytes[from..];
        let answer = format!("{status}\r\nETag: \"one\"\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", rest.len());
        stream.write_all(answer.as_bytes()).await.ok()?;
        match manner {
            Manner::BreaksOnce if asked == 1 => stream.write_all(&rest[..rest.len() / 2]).await.ok(),
            Manner::Breaks => stream.write_all(&rest[..rest.len() / 2]).await.ok(),
            Manner::Slowly => {
                for part in rest.chunks(rest.len().div_ceil(1000)) {
                    stream.write_all(part).await.ok()?;
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Some(())
            }
            _ => stream.write_all(rest).await.ok(),
        }
    }
}
