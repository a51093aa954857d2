use super::xdr::{In, Out, Short};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// The main program, and the one of what only QEMU has.
pub(super) const REMOTE: u32 = 0x2000_8086;
pub(super) const QEMU: u32 = 0x2000_8087;
/// Largest packet that either side takes (`VIR_NET_MESSAGE_MAX`).
const PACKET_MAX: usize = 32 << 20;
/// Longest wait for an answer: starting a domain on a busy machine and moving one take long, nothing takes this long.
const PATIENCE: Duration = Duration::from_secs(300);
const CALL: i32 = 0;
const REPLY: i32 = 1;
const STREAM: i32 = 3;
const OK: i32 = 0;
const ERROR: i32 = 1;
const CONTINUE: i32 = 2;

/// Why a call did not do what it should.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Problem {
    /// The daemon is not there, or the connection broke in the middle of a call.
    #[error("libvirt: {0}")]
    Lost(String),
    /// The daemon says no; `code` is one of libvirt's `VIR_ERR_…`.
    #[error("libvirt: {text}")]
    Refused { code: i32, text: String },
}

impl Problem {
    /// `VIR_ERR_NO_DOMAIN`.
    pub fn no_domain(&self) -> bool {
        matches!(self, Self::Refused { code: 42, .. })
    }
    /// `VIR_ERR_OPERATION_INVALID`: what libvirt says of a domain that went away or off in between.
    pub fn invalid_now(&self) -> bool {
        matches!(self, Self::Refused { code: 55, .. })
    }
}

impl From<Short> for Problem {
    fn from(short: Short) -> Self {
        Self::Lost(short.to_string())
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        Self::Lost(error.to_string())
    }
}

/// A connection on which `qemu:///system` is open.
pub(crate) struct Conn {
    stream: UnixStream,
    serial: u32,
}

struct Packet {
    kind: i32,
    serial: u32,
    status: i32,
    body: Vec<u8>,
}

impl Conn {
    pub async fn open(socket: &Path) -> Result<Self, Problem> {
        let stream = UnixStream::connect(socket).await.map_err(|e| Problem::Lost(format!("{}: {e}", socket.display())))?;
        let mut conn = Self { stream, serial: 0 };
        conn.call(REMOTE, super::calls::CONNECT_OPEN, Out::default().some("qemu:///system").u32(0)).await?;
        Ok(conn)
    }

    /// Whether the other side has not hung up. What it sent unasked would also show here; it does not, we register for no events.
    pub fn alive(&self) -> bool {
        matches!(self.stream.try_read(&mut [0]), Err(e) if e.kind() == std::io::ErrorKind::WouldBlock)
    }

    /// One call and its answer.
    pub async fn call(&mut self, program: u32, procedure: i32, arguments: Out) -> Result<Vec<u8>, Problem> {
        self.send(program, procedure, &arguments.0).await?;
        let packet = self.answer().await?;
        if packet.kind == REPLY { Ok(packet.body) } else { Err(Problem::Lost("a stream where an answer belongs".into())) }
    }

    /// One call whose answer comes with a stream of bytes towards us, at most `limit` of them. The daemon sends both from threads of
    /// its own, so the stream may begin before the answer is there.
    pub async fn download(&mut self, procedure: i32, arguments: Out, limit: usize) -> Result<Vec<u8>, Problem> {
        self.send(REMOTE, procedure, &arguments.0).await?;
        let (mut bytes, mut replied, mut ended) = (Vec::new(), false, None);
        loop {
            let packet = self.answer().await?;
            if packet.kind == REPLY {
                replied = true;
            } else if ended.is_some() || bytes.len() + packet.body.len() > limit {
                return Err(Problem::Lost("a stream that is not as announced".into()));
            } else if packet.status != CONTINUE || packet.body.is_empty() {
                // An empty packet, or one that no longer says "continue", is the end.
                ended = Some(packet.status);
            } else {
                bytes.extend_from_slice(&packet.body);
            }
            if let Some(status) = ended.filter(|_| replied) {
                return self.finish(procedure, status).await.map(|()| bytes);
            }
        }
    }

    /// Ends a stream from our side: the daemon waits for that and confirms.
    async fn finish(&mut self, procedure: i32, status: i32) -> Result<(), Problem> {
        if status == CONTINUE {
            let serial = self.serial;
            self.packet(REMOTE, procedure, STREAM, serial, &[]).await?;
            self.answer().await?;
        }
        Ok(())
    }

    async fn send(&mut self, program: u32, procedure: i32, body: &[u8]) -> Result<(), Problem> {
        self.serial = self.serial.wrapping_add(1);
        let serial = self.serial;
        self.packet(program, procedure, CALL, serial, body).await
    }

    async fn packet(&mut self, program: u32, procedure: i32, kind: i32, serial: u32, body: &[u8]) -> Result<(), Problem> {
        let length = u32::try_from(28 + body.len()).map_err(|_| Problem::Lost("a call that is too long".into()))?;
        let head = Out::default().u32(length).u32(program).u32(1).i32(procedure).i32(kind).u32(serial).i32(OK);
        self.stream.write_all(&head.0).await?;
        self.stream.write_all(body).await?;
        Ok(())
    }

    /// The next packet with our serial number, or the error that it carries.
    async fn answer(&mut self) -> Result<Packet, Problem> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let packet = tokio::time::timeout_at(deadline, self.receive())
                .await
                .map_err(|_| Problem::Lost(format!("no answer for {} s", PATIENCE.as_secs())))??;
            if packet.serial != self.serial || !matches!(packet.kind, REPLY | STREAM) {
                continue;
            }
            return if packet.status == ERROR { Err(refusal(&packet.body)?) } else { Ok(packet) };
        }
    }

    async fn receive(&mut self) -> Result<Packet, Problem> {
        let mut head = [0; 28];
        self.stream.read_exact(&mut head).await?;
        let mut input = In(&head);
        let length = input.u32()? as usize;
        let (_program, _version, _procedure) = (input.u32()?, input.u32()?, input.i32()?);
        let (kind, serial, status) = (input.i32()?, input.u32()?, input.i32()?);
        if !(28..=PACKET_MAX).contains(&length) {
            return Err(Problem::Lost(format!("a packet of {length} bytes")));
        }
        let mut body = vec![0; length - 28];
        self.stream.read_exact(&mut body).await?;
        Ok(Packet { kind, serial, status, body })
    }
}

fn refusal(body: &[u8]) -> Result<Problem, Problem> {
    let mut input = In(body);
    let (code, _domain) = (input.i32()?, input.i32()?);
    let text = input.maybe()?.unwrap_or_else(|| "an error without words".into());
    Ok(Problem::Refused { code, text })
}
