//! The server's side of RFB 3.8 (RFC 6143) as a machine without sockets: bytes in, bytes out. It knows no security (the ticket has
//! already said who this is), one encoding (Raw, which every client takes) and any true-colour pixel format of 8, 16 or 32 bits.
use crate::screen::Screen;
use std::fmt;

const VERSION: &[u8; 12] = b"RFB 003.008\n";
/// Text that a client may put on the clipboard at most; more is no honest client.
const CLIPBOARD: usize = 1 << 20;

/// What the client did that the protocol does not know.
#[derive(Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Version,
    Security,
    Init,
    Running,
}

/// How the client wants its pixels.
#[derive(Debug, Clone, Copy)]
struct Format {
    bytes: usize,
    big_endian: bool,
    max: [u16; 3],
    shift: [u8; 3],
}

/// What is offered before the client says otherwise: 32 bits, blue in the lowest byte.
const OFFERED: Format = Format { bytes: 4, big_endian: false, max: [255; 3], shift: [16, 8, 0] };

impl Format {
    fn read(b: &[u8]) -> Result<Self, Broken> {
        let wide = |i: usize| u16::from_be_bytes([b[i], b[i + 1]]);
        let bytes = match (b[0], b[3]) {
            (8 | 16 | 32, 0) => return Err(Broken("colour maps are not served")),
            (8, _) => 1,
            (16, _) => 2,
            (32, _) => 4,
            _ => return Err(Broken("a pixel has 8, 16 or 32 bits")),
        };
        let shift = [b[10], b[11], b[12]];
        if shift.iter().any(|s| *s > 31) {
            return Err(Broken("a colour is shifted out of the pixel"));
        }
        Ok(Self { bytes, big_endian: b[2] != 0, max: [wide(4), wide(6), wide(8)], shift })
    }

    fn pixel(&self, colour: [u8; 3], into: &mut Vec<u8>) {
        let value = (0..3).fold(0_u32, |v, i| v | ((u32::from(colour[i]) * u32::from(self.max[i]) / 255) << self.shift[i]));
        let (big, little) = (value.to_be_bytes(), value.to_le_bytes());
        into.extend_from_slice(if self.big_endian { &big[4 - self.bytes..] } else { &little[..self.bytes] });
    }
}

/// One client looking at a screen.
pub struct Rfb {
    stage: Stage,
    name: String,
    format: Format,
    screen: Screen,
    /// Whether the client waits for the next change.
    waiting: bool,
    /// Whether the client has not seen the screen as it is.
    changed: bool,
    unread: Vec<u8>,
}

impl Rfb {
    /// A session that shows this screen under this name, and what to send first.
    pub fn new(name: &str, screen: Screen) -> (Self, Vec<u8>) {
        let new = Self {
            stage: Stage::Version,
            name: name.to_owned(),
            format: OFFERED,
            screen,
            waiting: false,
            changed: true,
            unread: Vec::new(),
        };
        (new, VERSION.to_vec())
    }

    /// Shows another screen; what to send, if the client waits for it.
    pub fn show(&mut self, screen: Screen) -> Vec<u8> {
        if screen != self.screen {
            self.screen = screen;
            self.changed = true;
        }
        let mut out = Vec::new();
        self.update(false, &mut out);
        out
    }

    /// Takes bytes of the client in pieces of any length; what to answer.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Broken> {
        self.unread.extend_from_slice(bytes);
        let mut out = Vec::new();
        while let Some(taken) = self.step(&mut out)? {
            self.unread.drain(..taken);
        }
        Ok(out)
    }

    /// One message, if it is all there: its length.
    fn step(&mut self, out: &mut Vec<u8>) -> Result<Option<usize>, Broken> {
        match self.stage {
            Stage::Version if self.unread.len() >= VERSION.len() => {
                if !self.unread.starts_with(b"RFB 003.00") {
                    return Err(Broken("not an RFB client"));
                }
                self.stage = Stage::Security;
                out.extend([1, 1]);
                Ok(Some(VERSION.len()))
            }
            Stage::Security if !self.unread.is_empty() => {
                if self.unread[0] != 1 {
                    return Err(Broken("the only security type here is None"));
                }
                self.stage = Stage::Init;
                out.extend(0_u32.to_be_bytes());
                Ok(Some(1))
            }
            Stage::Init if !self.unread.is_empty() => {
                self.stage = Stage::Running;
                self.init(out);
                Ok(Some(1))
            }
            Stage::Running => self.message(out),
            _ => Ok(None),
        }
    }

    fn init(&self, out: &mut Vec<u8>) {
        let (width, height) = Screen::SIZE;
        out.extend(width.to_be_bytes());
        out.extend(height.to_be_bytes());
        out.extend([32, 24, 0, 1]);
        for max in OFFERED.max {
            out.extend(max.to_be_bytes());
        }
        out.extend(OFFERED.shift);
        out.extend([0; 3]);
        out.extend((self.name.len() as u32).to_be_bytes());
        out.extend(self.name.as_bytes());
    }

    fn message(&mut self, out: &mut Vec<u8>) -> Result<Option<usize>, Broken> {
        let b = &self.unread;
        let Some(kind) = b.first() else { return Ok(None) };
        let wide = |i: usize| b.get(i..i + 2).map(|p| usize::from(u16::from_be_bytes([p[0], p[1]])));
        let length = match kind {
            0 => Some(20),
            2 => wide(2).map(|n| 4 + 4 * n),
            3 => Some(10),
            // Keys and pointer: a simulated guest has nobody inside to read them.
            4 => Some(8),
            5 => Some(6),
            6 => match b.get(4..8).map(|p| i32::from_be_bytes([p[0], p[1], p[2], p[3]]).unsigned_abs() as usize) {
                Some(n) if n > CLIPBOARD => return Err(Broken("a clipboard that large is not taken")),
                n => n.map(|n| 8 + n),
            },
            _ => return Err(Broken("a message of an unknown kind")),
        };
        let Some(length) = length.filter(|n| b.len() >= *n) else { return Ok(None) };
        match kind {
            0 => {
                self.format = Format::read(&b[4..20])?;
                self.changed = true;
            }
            3 => {
                let full = b[1] == 0;
                self.waiting = true;
                self.update(full, out);
            }
            _ => {}
        }
        Ok(Some(length))
    }

    /// Sends the whole screen when it is asked for and, unless `full`, there is something new.
    fn update(&mut self, full: bool, out: &mut Vec<u8>) {
        if !(self.waiting && (full || self.changed)) {
            return;
        }
        (self.waiting, self.changed) = (false, false);
        let (width, height) = Screen::SIZE;
        out.extend([0, 0, 0, 1]);
        for n in [0, 0, width, height] {
            out.extend(n.to_be_bytes());
        }
        out.extend(0_i32.to_be_bytes());
        let format = self.format;
        self.screen.each_pixel(|colour| format.pixel(colour, out));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running() -> Rfb {
        let (mut rfb, hello) = Rfb::new("vm", Screen::of(b"hello"));
        assert_eq!(hello, VERSION);
        assert_eq!(rfb.feed(VERSION), Ok(vec![1, 1]));
        // Security and ClientInit in one piece, as a client may send them.
        let answer = rfb.feed(&[1, 1]).expect("both taken");
        let (width, height) = Screen::SIZE;
        assert_eq!(answer[4..8], [width.to_be_bytes(), height.to_be_bytes()].concat());
        assert!(answer.ends_with(b"vm"));
        rfb
    }
    fn ask(incremental: u8) -> [u8; 10] {
        [3, incremental, 0, 0, 0, 0, 1, 224, 0, 250]
    }

    #[test]
    fn a_screen_is_sent_when_asked_for_and_again_only_when_it_changes() {
        let mut rfb = running();
        let first = rfb.feed(&ask(0)).expect("taken");
        let (width, height) = Screen::SIZE;
        assert_eq!(first.len(), 16 + usize::from(width) * usize::from(height) * 4);
        assert!(first[16..].chunks(4).any(|p| p != &first[16..20]), "nothing is painted");
        assert_eq!(rfb.feed(&ask(1)), Ok(Vec::new()));
        assert_eq!(rfb.show(Screen::of(b"hello")), Vec::<u8>::new());
        let changed = rfb.show(Screen::of(b"hello, world"));
        assert_eq!(changed.len(), first.len());
        assert_ne!(changed, first);
        assert_eq!(rfb.show(Screen::of(b"more")), Vec::<u8>::new(), "nobody asked");
    }

    #[test]
    fn a_message_may_come_byte_by_byte_and_pixels_as_the_client_likes_them() {
        let mut rfb = running();
        let mut asked = vec![0, 0, 0, 0, 16, 16, 1, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0];
        asked.extend([2, 0, 0, 1, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 65]);
        asked.extend(ask(0));
        let mut out = Vec::new();
        for byte in asked {
            out.extend(rfb.feed(&[byte]).expect("taken"));
        }
        let (width, height) = Screen::SIZE;
        assert_eq!(out.len(), 16 + usize::from(width) * usize::from(height) * 2);
    }

    #[test]
    fn what_is_not_rfb_is_refused() {
        let (mut rfb, _) = Rfb::new("vm", Screen::of(b""));
        assert!(rfb.feed(b"GET / HTTP/1.1\r\n").is_err());
        assert!(running().feed(&[99]).is_err());
        assert!(running().feed(&[6, 0, 0, 0, 0x7f, 255, 255, 255]).is_err());
        let (mut rfb, _) = Rfb::new("vm", Screen::of(b""));
        rfb.feed(VERSION).expect("taken");
        assert!(rfb.feed(&[2]).is_err());
    }
}
