//! What travels between an agent and a server: frames of a length, a kind and a payload, on one TLS connection.
use serde::{Deserialize, Serialize};
use std::io;
use stratus_drivers::DriverError;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::ask::Ask;

/// The version of this protocol; a server refuses others by name.
pub const PROTOCOL: u32 = 1;
/// Largest payload of a frame: no answer of a driver comes near it.
pub const LARGEST: usize = 16 << 20;
/// Most bytes of a stream in one frame, so that a screen does not hold up commands.
pub const CHUNK: usize = 32 << 10;

const MESSAGE: u8 = b'M';
const DATA: u8 = b'D';

/// One frame.
#[allow(clippy::large_enum_variant, reason = "a value lives for one message, a box would only cost")]
pub enum Frame {
    /// Something said, as JSON.
    Message(Message),
    /// Bytes of a stream; none of them is its end.
    Data {
        /// The stream.
        stream: u64,
        /// At most [`CHUNK`] of them.
        bytes: Vec<u8>,
    },
}

/// Something said. `Debug` is left out: a call may hold a password.
#[derive(Serialize, Deserialize)]
#[allow(clippy::large_enum_variant, reason = "a value lives for one message, a box would only cost")]
pub enum Message {
    /// Agent, first: it has a token and wants a certificate.
    Enrol(Enrol),
    /// Server: here it is.
    Enrolled(Enrolled),
    /// Agent, first: it has a certificate and wants its seat.
    Hello(Hello),
    /// Server: the seat is yours.
    Welcome(Welcome),
    /// Server: no, in a sentence; the connection ends.
    Refused(String),
    /// Either: do this and answer under the same number.
    Call {
        /// Numbers of each direction are its own.
        seq: u64,
        /// What to do.
        ask: Ask,
    },
    /// Either: how it went.
    Answer {
        /// The call's number.
        seq: u64,
        /// The value as the call's method answers it.
        outcome: Result<serde_json::Value, DriverError>,
    },
    /// Either: so many more frames of a stream may come.
    Credit {
        /// The stream.
        stream: u64,
        /// Frames.
        frames: usize,
    },
    /// Either: still here.
    Beat,
}

/// An agent that wants a certificate.
#[derive(Serialize, Deserialize)]
pub struct Enrol {
    /// The secret of the one-time token.
    pub secret: String,
    /// A certificate signing request in PEM; only its key counts.
    pub request: String,
}

/// A certificate.
#[derive(Serialize, Deserialize)]
pub struct Enrolled {
    /// Who the agent is from now on.
    pub identity: String,
    /// Its certificate, PEM.
    pub certificate: String,
    /// The authority's certificate, PEM.
    pub authority: String,
}

/// An agent that wants its seat.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL`].
    pub protocol: u32,
    /// The agent's version.
    pub version: String,
    /// Random for each start of an agent, so that one that comes back is told from a second one.
    pub boot: String,
    /// The machine's host name.
    pub host_name: String,
    /// The hypervisor type that its drivers are for.
    pub hypervisor: String,
    /// The zone that it is meant for, by name or uuid.
    pub zone: Option<String>,
    /// The pod that it is meant for, by name or uuid.
    pub pod: Option<String>,
    /// The cluster that it is meant for, by name or uuid.
    pub cluster: Option<String>,
}

/// A seat.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Welcome {
    /// The server's version.
    pub version: String,
    /// Who the agent is.
    pub identity: String,
    /// Whether its certificate grows old and should be renewed.
    pub renew: bool,
}

fn broken(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

/// Writes one frame; the caller flushes.
pub async fn write<W: AsyncWrite + Unpin>(to: &mut W, frame: &Frame) -> io::Result<()> {
    let (kind, payload) = match frame {
        Frame::Message(message) => (MESSAGE, serde_json::to_vec(message).map_err(|e| broken(e.to_string()))?),
        Frame::Data { stream, bytes } => (DATA, [&stream.to_be_bytes()[..], bytes].concat()),
    };
    if payload.len() > LARGEST {
        return Err(broken(format!("a frame of {} bytes is too large", payload.len())));
    }
    to.write_all(&(payload.len() as u32).to_be_bytes()).await?;
    to.write_all(&[kind]).await?;
    to.write_all(&payload).await
}

/// Reads one frame; none when the other side has closed in good order.
pub async fn read<R: AsyncRead + Unpin>(from: &mut R) -> io::Result<Option<Frame>> {
    let mut head = [0; 5];
    match from.read(&mut head[..1]).await? {
        0 => return Ok(None),
        _ => from.read_exact(&mut head[1..]).await?,
    };
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if length > LARGEST {
        return Err(broken(format!("a frame of {length} bytes is announced, {LARGEST} are the most")));
    }
    // What is announced is not believed before it comes.
    let mut payload = Vec::with_capacity(length.min(64 << 10));
    if from.take(length as u64).read_to_end(&mut payload).await? < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    match head[4] {
        MESSAGE => Ok(Some(Frame::Message(serde_json::from_slice(&payload).map_err(|e| broken(format!("not a message: {e}")))?))),
        DATA => {
            let (stream, bytes) = payload.split_first_chunk::<8>().ok_or_else(|| broken("data of no stream"))?;
            if bytes.len() > CHUNK {
                return Err(broken("too much data in one frame"));
            }
            Ok(Some(Frame::Data { stream: u64::from_be_bytes(*stream), bytes: bytes.to_vec() }))
        }
        kind => Err(broken(format!("a frame of the unknown kind {kind}"))),
    }
}

/// Reads one message where nothing else may come.
pub async fn read_message<R: AsyncRead + Unpin>(from: &mut R) -> io::Result<Message> {
    match read(from).await? {
        Some(Frame::Message(message)) => Ok(message),
        Some(Frame::Data { .. }) => Err(broken("data before a greeting")),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Writes one message at once.
pub async fn write_message<W: AsyncWrite + Unpin>(to: &mut W, message: Message) -> io::Result<()> {
    write(to, &Frame::Message(message)).await?;
    to.flush().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_come_back_as_they_went() {
        let mut bytes = Vec::new();
        write(&mut bytes, &Frame::Message(Message::Beat)).await.expect("written");
        write(&mut bytes, &Frame::Data { stream: 7, bytes: vec![1, 2, 3] }).await.expect("written");
        let mut from = bytes.as_slice();
        assert!(matches!(read(&mut from).await, Ok(Some(Frame::Message(Message::Beat)))));
        assert!(matches!(read(&mut from).await, Ok(Some(Frame::Data { stream: 7, bytes })) if bytes == [1, 2, 3]));
        assert!(matches!(read(&mut from).await, Ok(None)));
    }

    #[tokio::test]
    async fn what_is_no_frame_is_refused_before_it_takes_memory() {
        let bad: [&[u8]; 5] = [
            &[0xff, 0xff, 0xff, 0xff, b'M'],
            &[0, 0, 0, 1, b'?', 0],
            &[0, 0, 0, 2, b'M', b'{', b'}'],
            &[0, 0, 0, 3, b'D', 0, 0, 0],
            &[0, 0, 0, 9, b'M', b'"'],
        ];
        for bytes in bad {
            assert!(read(&mut &*bytes).await.is_err(), "{bytes:?}");
        }
    }
}
