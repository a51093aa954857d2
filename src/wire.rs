//! A TCP connection as hyper sees it, with two things that hyper leaves to others: a refusal for an over-long head that has a body
//! to read, and an end that lets the client read it although it was still sending.
use hyper::rt::{Read, ReadBufCursor, Write};
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;

/// What a door answers when address or headers are longer than the parser takes. No handler has seen the request by then.
#[derive(Debug, Clone, Copy)]
pub struct TooLong {
    /// Its `Content-Type`.
    pub content_type: &'static str,
    /// The document.
    pub body: &'static str,
}

/// One side of a connection.
pub struct Wire {
    stream: Arc<TcpStream>,
    too_long: TooLong,
    /// Bytes of ours that stand in for some of hyper's and are not sent yet.
    instead: Vec<u8>,
}

impl Wire {
    /// Wraps a connection.
    pub fn new(stream: Arc<TcpStream>, too_long: TooLong) -> Self {
        Self { stream, too_long, instead: Vec::new() }
    }

    /// Sends what stands in for hyper's bytes.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(&self.instead) {
                Ok(n) => drop(self.instead.drain(..n)),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Whether this is hyper's own bare answer to a head that it could not take.
fn is_bare_refusal(bytes: &[u8]) -> bool {
    (bytes.starts_with(b"HTTP/1.1 414 ") || bytes.starts_with(b"HTTP/1.1 431 "))
        && std::str::from_utf8(bytes).is_ok_and(|t| t.contains("content-length: 0\r\n") && t.ends_with("\r\n\r\n"))
}

impl Read for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        // A small request is read by way of a small piece, a long upload with few calls.
        if into.remaining() > 8192 { read::<65_536>(&self.stream, cx, into) } else { read::<8192>(&self.stream, cx, into) }
    }
}

fn read<const PIECE: usize>(stream: &TcpStream, cx: &mut Context<'_>, mut into: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
    let mut chunk = [0u8; PIECE];
    let room = into.remaining().min(PIECE);
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match stream.try_read(&mut chunk[..room]) {
            Ok(n) => {
                into.put_slice(&chunk[..n]);
                return Poll::Ready(Ok(()));
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => {}
            Err(e) => return Poll::Ready(Err(e)),
        }
    }
}

impl Write for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_instead(cx))?;
        if is_bare_refusal(bytes) {
            let TooLong { content_type, body } = self.too_long;
            let head = String::from_utf8_lossy(bytes).replace("content-length: 0\r\n", &format!("content-length: {}\r\n", body.len()));
            let head = head.trim_end_matches("\r\n");
            self.instead = format!("{head}\r\ncontent-type: {content_type}\r\n\r\n{body}").into_bytes();
            ready!(self.poll_instead(cx))?;
            return Poll::Ready(Ok(bytes.len()));
        }
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write(bytes) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }
    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, pieces: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        // What is to be replaced is written by itself: it has no body.
        if let [one] = pieces {
            return self.poll_write(cx, one);
        }
        ready!(self.poll_instead(cx))?;
        loop {
            ready!(self.stream.poll_write_ready(cx))?;
            match self.stream.try_write_vectored(pieces) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }
    fn is_write_vectored(&self) -> bool {
        true
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_instead(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_instead(cx))?;
        match rustix::net::shutdown(&*self.stream, rustix::net::Shutdown::Write) {
            Err(e) if e != rustix::io::Errno::NOTCONN => Poll::Ready(Err(e.into())),
            _ => Poll::Ready(Ok(())),
        }
    }
}

/// Reads away what a client still sends, for a moment: closing on unread bytes would reset the connection, and with it the answer.
pub async fn linger(stream: &TcpStream) {
    let mut sink = vec![0u8; 16 * 1024];
    let drain = async {
        let mut left = 8 * 1024 * 1024;
        while left > 0 && stream.readable().await.is_ok() {
            match stream.try_read(&mut sink) {
                Ok(0) => return,
                Ok(n) => left -= n.min(left),
                Err(e) if e.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    // A client that neither sends nor closes is not waited for any longer.
    let _ = tokio::time::timeout(Duration::from_secs(2), drain).await;
}

#[cfg(test)]
mod tests {
    use super::is_bare_refusal;

    #[test]
    fn only_an_empty_refusal_is_replaced() {
        assert!(is_bare_refusal(b"HTTP/1.1 414 URI Too Long\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"));
        assert!(!is_bare_refusal(b"HTTP/1.1 431 x\r\ncontent-length: 90\r\n\r\n{}"));
        assert!(!is_bare_refusal(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"));
    }
}
